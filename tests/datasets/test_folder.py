import subprocess

import pytest

from pplr.datasets.folder import read_folder
from pplr.errors import DataError, MissingInputError
from tests.datasets.trees import rows_of, write_images


@pytest.fixture
def root(tmp_path):
    return write_images(tmp_path / "images", ["b.jpg", "a/c.JPG", "a/d e/ä.png"])


def test_all_images_are_trained_on(root):
    (root / "notes.txt").write_text("no image")
    (root / "a" / "phone.HEIC").touch()
    (root / "Thumbs.db").touch()
    write_images(root, [".hidden.jpg", "a/._c.JPG", ".cache/x.jpg", "a/@eaDir/c.JPG"])
    tables = read_folder(root)
    assert tables["train"].passed_over == {".txt": 1, ".heic": 1}
    assert rows_of(tables["train"]) == [
        ("a/c.JPG", -1, -1),
        ("a/d e/ä.png", -1, -1),
        ("b.jpg", -1, -1),
    ]
    assert tables["train"].open_image(1).size == (8, 16)
    assert tables["train"].people == tables["train"].cameras == set()
    assert len(tables["query"]) == len(tables["gallery"]) == 0


def test_links_to_images_are_followed(root, tmp_path):
    write_images(tmp_path / "elsewhere", ["e.jpg"])
    (root / "f.jpg").symlink_to(tmp_path / "elsewhere" / "e.jpg")
    assert read_folder(root)["train"].paths == ("a/c.JPG", "a/d e/ä.png", "b.jpg", "f.jpg")
    (tmp_path / "link").symlink_to(root)  # the data folder itself may be one
    assert read_folder(tmp_path / "link")["train"].paths == read_folder(root)["train"].paths


@pytest.mark.parametrize("target", [".", "..", "../elsewhere"])
def test_a_linked_folder_is_refused_and_a_folder_of_links_is_not(root, tmp_path, target):
    write_images(tmp_path / "elsewhere", ["e.jpg"])
    link = root / "a" / "the link"
    link.symlink_to(root / target, target_is_directory=True)
    with pytest.raises(DataError, match="A folder of images is a link") as caught:
        read_folder(root)
    assert f"where:   {link}\n" in str(caught.value)
    assert f"found:   a link to {(root / target).resolve()}" in str(caught.value)
    if target == "../elsewhere":
        command = str(caught.value).rpartition("its files there: ")[2]
        subprocess.run(command, shell=True, check=True)
        assert "a/the link/e.jpg" in read_folder(root)["train"].paths


@pytest.mark.parametrize("target", ["self.jpg", "nowhere.jpg"])
def test_a_dead_link_is_named(root, target):
    (root / "self.jpg").symlink_to(root / target)
    with pytest.raises(DataError, match="A link leads nowhere") as caught:
        read_folder(root)
    assert f"found:   a link to {root / target}" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", "There is no such folder"),
        ("empty", "There are no images"),
        ("file", "This is a file, and no folder"),
    ],
)
def test_no_images(tmp_path, name, said):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(MissingInputError, match=said):
        read_folder(tmp_path / name)


def test_a_folder_of_images_that_are_not_read_says_which_are(tmp_path):
    (tmp_path / "a.heic").touch()
    with pytest.raises(MissingInputError, match="There are no images") as caught:
        read_folder(tmp_path)
    assert "holds a.heic" in str(caught.value)
    assert "(.avif .bmp .gif .jfif .jp2 .jpe .jpeg .jpg .pbm " in str(caught.value)


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
