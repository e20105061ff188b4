import pytest

from pplr.datasets.folder import read_folder
from pplr.errors import DataError, MissingInputError
from tests.datasets.trees import rows_of, write_images


@pytest.fixture
def root(tmp_path):
    return write_images(tmp_path / "images", ["b.jpg", "a/c.JPG", "a/d e/ä.png"])


def test_all_images_are_trained_on(root):
    (root / "notes.txt").write_text("no image")
    write_images(root, [".hidden.jpg", ".cache/x.jpg"])
    tables = read_folder(root)
    assert rows_of(tables["train"]) == [
        ("a/c.JPG", -1, -1),
        ("a/d e/ä.png", -1, -1),
        ("b.jpg", -1, -1),
    ]
    assert tables["train"].open_image(1).size == (8, 16)
    assert tables["train"].people == tables["train"].cameras == set()
    assert len(tables["query"]) == len(tables["gallery"]) == 0


def test_links_to_folders_and_images_are_followed(root, tmp_path):
    write_images(tmp_path / "elsewhere", ["e.jpg"])
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "f.jpg").symlink_to(tmp_path / "elsewhere" / "e.jpg")
    paths = read_folder(root)["train"].paths
    assert paths == ("a/c.JPG", "a/d e/ä.png", "b.jpg", "f.jpg", "linked/e.jpg")


@pytest.mark.parametrize("target", [".", "a", ".."])
def test_a_link_loop_is_named(root, target):
    (root / "a" / "loop").symlink_to(root / target, target_is_directory=True)
    with pytest.raises(DataError, match="leads back") as caught:
        read_folder(root)
    assert "loop" in str(caught.value)


@pytest.mark.parametrize("target", ["self.jpg", "nowhere.jpg"])
def test_a_dead_link_is_named(root, target):
    (root / "self.jpg").symlink_to(root / target)
    with pytest.raises(DataError, match="A link leads nowhere") as caught:
        read_folder(root)
    assert f"found:   a link to {root / target}" in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere", "empty", "file"])
def test_no_images(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(MissingInputError, match=r"There (are no images|is no such folder)"):
        read_folder(tmp_path / name)


def test_names_that_are_no_text(root):
    (root / "b.jpg").rename(root / "b\udcff.jpg")
    with pytest.raises(DataError, match=r"1 path\(s\) are no text") as caught:
        read_folder(root)
    assert r"'b\udcff.jpg'" in str(caught.value)


def test_withdrawn_images_are_refused_by_their_names(tmp_path):
    write_images(tmp_path / "people", ["0002_c1_f0044158.jpg", "more/0005_c8_f0054158.jpg"])
    with pytest.raises(DataError, match="withdrawn"):
        read_folder(tmp_path / "people")
    write_images(tmp_path / "people", ["other.jpg"])
    assert len(read_folder(tmp_path / "people")["train"]) == 3
    (tmp_path / "people").rename(tmp_path / "dukemtmc")
    with pytest.raises(DataError, match="withdrawn"):
        read_folder(tmp_path / "dukemtmc")
