import pytest

from pplr.datasets.msmt17 import read_msmt17
from pplr.errors import DataError, MissingInputError
from tests.datasets.trees import rows_of, write_images

# person 0 of the training images is another than person 0 of the test images
LISTS = {
    "list_train.txt": (
        "0001/0001_000_15_0113noon_0010_0.jpg 1",
        "0000/0000_000_01_0303m_0015_0.jpg 0",
    ),
    "list_val.txt": ("0000/0000_001_02_0303m_0025_0_ex.jpg 0",),
    "list_query.txt": ("0000/0000_000_03_0303m_0015_0.jpg 0",),
    "list_gallery.txt": (
        "0000/0000_001_04_0303m_0015_0.jpg 0",
        "0007/0007_000_11_0303m_0015_1.jpg 7",
    ),
}


def make(root, folders):
    for number, (name, lines) in enumerate(LISTS.items()):
        write_images(root / folders[number > 1], [line.split()[0] for line in lines])
        (root / name).write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def root(tmp_path):
    return make(tmp_path / "images", ("train", "test"))


@pytest.mark.parametrize("folders", [("train", "test"), ("mask_train_v2", "mask_test_v2")])
def test_a_small_tree_by_hand(tmp_path, folders):
    tables = read_msmt17(make(tmp_path / "made", folders))
    train, test = folders
    assert {split: rows_of(table) for split, table in tables.items()} == {
        "train": [
            (f"{train}/0000/0000_000_01_0303m_0015_0.jpg", 0, 0),
            (f"{train}/0000/0000_001_02_0303m_0025_0_ex.jpg", 0, 1),
            (f"{train}/0001/0001_000_15_0113noon_0010_0.jpg", 1, 14),
        ],
        "query": [(f"{test}/0000/0000_000_03_0303m_0015_0.jpg", 0, 2)],
        "gallery": [
            (f"{test}/0000/0000_001_04_0303m_0015_0.jpg", 0, 3),
            (f"{test}/0007/0007_000_11_0303m_0015_1.jpg", 7, 10),
        ],
    }
    assert tables["gallery"].people == {0, 7}  # 0 is a person here, no distractor
    assert tables["train"].open_image(2).size == (8, 16)


def test_windows_line_ends_and_empty_lines_are_read(root):
    text = (root / "list_train.txt").read_text()
    (root / "list_train.txt").write_bytes(text.replace("\n", "\r\n\r\n").encode())
    assert len(read_msmt17(root)["train"]) == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda text: f"\ufeff{text}",
        lambda text: text.replace(" ", "  "),
        lambda text: text.replace(" ", "\t"),
        lambda text: text.replace("\n", " \n").replace(" ", "\t "),
        lambda text: f"\ufeff{text}".replace("\n", "\r\n").rstrip(),
    ],
)
def test_ways_to_write_the_same_list(root, change):
    expected = {split: rows_of(table) for split, table in read_msmt17(root).items()}
    for file in root.glob("list_*.txt"):
        file.write_bytes(change(file.read_text()).encode())
    assert {split: rows_of(table) for split, table in read_msmt17(root).items()} == expected


def test_hidden_files_are_passed_over(root):
    (root / "train" / "0001" / "._0001_000_15_0113noon_0010_0.jpg").touch()
    (root / "._list_train.txt").write_bytes(b"\0\5\x16\7")
    assert len(read_msmt17(root)["train"]) == 3


@pytest.mark.parametrize(
    "line",
    [
        "0001/0001_000_15_x.jpg",
        "0001/0001_000_15_x.jpg one",
        "0001/0001_000_00_x.jpg 1",  # cameras count from 1
        "../0001/0001_000_15_x.jpg 1",
        "0001/0001_000_15_/../../../x.jpg 1",
        "0001/../../0001_000_15_x.jpg 1",
        "/0001/0001_000_15_x.jpg 1",
    ],
)
def test_lines_that_tell_nothing_are_counted_and_shown(root, line):
    with (root / "list_val.txt").open("a") as file:
        file.write(f"{line}\n" * 7)
    with pytest.raises(DataError, match=r"7 line\(s\) do not tell") as caught:
        read_msmt17(root)
    assert f"{line}, {line}, {line}, {line}, {line}, …" in str(caught.value)
    assert str(root / "list_val.txt") in str(caught.value)


def test_an_image_in_train_and_validation_is_refused(root):
    (root / "list_val.txt").write_text(LISTS["list_train.txt"][0])
    with pytest.raises(DataError, match=r"1 image.* twice") as caught:
        read_msmt17(root)
    assert "0001_000_15_0113noon_0010_0.jpg" in str(caught.value)


def test_missing_images_are_counted(root):
    for path in (root / "test" / "0007").iterdir():
        path.unlink()
    with pytest.raises(MissingInputError, match=r"1 image.* of list_gallery.txt are missing"):
        read_msmt17(root)


def test_an_empty_list(root):
    (root / "list_query.txt").write_text("\n")
    with pytest.raises(DataError, match="0 images are in the list") as caught:
        read_msmt17(root)
    assert "list_query.txt" in str(caught.value)


def test_a_missing_list(root):
    (root / "list_val.txt").unlink()
    with pytest.raises(MissingInputError, match="A list of images is missing") as caught:
        read_msmt17(root)
    assert "list_val.txt" in str(caught.value)


def test_a_missing_folder_says_what_is_there(root):
    (root / "test").rename(root / "tests")
    with pytest.raises(MissingInputError, match="no such folder of images") as caught:
        read_msmt17(root)
    assert f"{root} holds list_gallery.txt" in str(caught.value)


def test_the_archives_own_folder_is_suggested(root):
    root.rename(root.parent / "MSMT17_V1")
    with pytest.raises(MissingInputError, match=r"did you mean .*MSMT17_V1\?"):
        read_msmt17(root.parent)
