import pytest

from pplr.datasets.veri776 import read_veri776
from pplr.errors import DataError, MissingInputError
from tests.datasets.trees import rows_of, write_images

TREE = (
    "image_train/0001_c011_00084725_0.jpg",
    "image_train/0001_c001_00016450_0.jpg",
    "image_train/0776_c020_00000005_12.jpg",
    "image_query/0002_c002_00030600_0.jpg",
    "image_test/0002_c002_00030600_0.jpg",  # the real set has its queries in the gallery as well
    "image_test/0002_c010_00030670_0.jpg",
)


@pytest.fixture
def root(tmp_path):
    return write_images(tmp_path / "images", TREE)


def test_a_small_tree_by_hand(root):
    (root / "name_train.txt").write_text("0001_c001_00016450_0.jpg\n")  # beside the folders
    tables = read_veri776(root)
    assert {split: rows_of(table) for split, table in tables.items()} == {
        "train": [
            ("image_train/0001_c001_00016450_0.jpg", 1, 0),
            ("image_train/0001_c011_00084725_0.jpg", 1, 10),
            ("image_train/0776_c020_00000005_12.jpg", 776, 19),
        ],
        "query": [("image_query/0002_c002_00030600_0.jpg", 2, 1)],
        "gallery": [
            ("image_test/0002_c002_00030600_0.jpg", 2, 1),
            ("image_test/0002_c010_00030670_0.jpg", 2, 9),
        ],
    }
    assert tables["gallery"].people == {2}
    assert tables["train"].open_image(0).size == (8, 16)


@pytest.mark.parametrize(
    "name", ["0001_c000_00016450_0.jpg", "0001_c1_00016450_0.jpg", "1_c001_1_0.jpg", "car.jpg"]
)
def test_a_name_is_read_whole_or_not_at_all(root, name):
    write_images(root / "image_query", [name])
    with pytest.raises(DataError, match="1 file name") as caught:
        read_veri776(root)
    assert name in str(caught.value)
    assert "VVVV_cCCC_FFFFFFFF_N.jpg" in str(caught.value)


def test_the_archives_own_folder_is_suggested(root):
    root.rename(root.parent / "VeRi")
    with pytest.raises(MissingInputError, match=r"did you mean .*VeRi\?"):
        read_veri776(root.parent)
