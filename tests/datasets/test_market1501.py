import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pplr.datasets import files
from pplr.datasets.market1501 import read_market1501
from pplr.errors import DataError, MissingInputError

PKU_REID = Path(__file__).parents[3] / "shared" / "data" / "pku-reid"

TREE = (
    "bounding_box_train/0007_c3s2_000451_02.jpg",
    "bounding_box_train/0002_c1s1_000451_03.jpg",
    "bounding_box_train/-1_c1s1_000401_03.jpg",
    "query/0001_c6s1_001051_00.jpg",
    "bounding_box_test/0000_c2s1_000151_01.jpg",
    "bounding_box_test/0001_c1s1_001051_01.JPG",
    "bounding_box_test/-1_c5s3_000401_03.jpg",
)


def colour_of(name):
    return tuple(sum(name.encode()) * factor % 256 for factor in (1, 3, 7))


@pytest.fixture
def root(tmp_path):
    for name in TREE:
        write_image(tmp_path / "market" / name)
    return tmp_path / "market"


def write_image(path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 16), colour_of(path.name)).save(path, "JPEG", **options)


def test_a_small_tree_by_hand(root):
    tables = read_market1501(root)
    assert list(tables) == ["train", "query", "gallery"]
    train, query, gallery = tables.values()
    assert train.paths == (
        "bounding_box_train/0002_c1s1_000451_03.jpg",
        "bounding_box_train/0007_c3s2_000451_02.jpg",
    )
    assert train.pids.tolist() == [2, 7]
    assert train.camids.tolist() == [0, 2]
    assert query.pids.tolist() == [1]
    assert query.camids.tolist() == [5]
    assert gallery.pids.tolist() == [0, 1]  # the distractor stays, junk does not
    assert gallery.camids.tolist() == [1, 0]
    for table in tables.values():
        assert table.pids.dtype == table.camids.dtype == np.int32


def test_rows_open_their_images(root):
    for table in read_market1501(root).values():
        copy = pickle.loads(pickle.dumps(table.open_image))  # as worker processes need it
        for row, path in enumerate(table.paths):
            image = table.open_image(row)
            assert image.mode == "RGB"
            assert image.size == (8, 16)
            found = np.asarray(image)[8, 4].astype(int)
            assert np.abs(found - colour_of(Path(path).name)).max() <= 3
            assert copy(row) == image


def test_other_files_are_passed_over(root):
    train = root / "bounding_box_train"
    (train / "Thumbs.db").write_bytes(b"thumbs")
    (train / "readme.txt").write_text("hello")
    (train / "._0002_c1s1_000451_03.jpg").write_bytes(b"resource fork")
    (train / "folder.jpg").mkdir()
    table = read_market1501(root)["train"]
    assert len(table.paths) == 2
    assert table.passed_over == {".txt": 1}


def test_images_are_turned_upright_and_made_rgb(root):
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90°
    path = root / "query" / "0001_c6s1_001051_00.jpg"
    write_image(path, exif=exif)
    Image.new("L", (8, 16), 77).save(root / "query" / "0001_c6s1_001052_00.png")
    turned, grey = map(read_market1501(root)["query"].open_image, (0, 1))
    assert turned.size == (16, 8)
    assert grey.mode == "RGB"
    assert grey.getpixel((0, 0)) == (77, 77, 77)


@pytest.mark.parametrize("damage", [b"", b"no image at all", "truncated"])
def test_a_broken_image_is_named(root, damage):
    path = root / "query" / "0001_c6s1_001051_00.jpg"
    if damage == "truncated":
        Image.effect_noise((64, 64), 50).save(path)
        damage = path.read_bytes()[:700]
    path.write_bytes(damage)
    query = read_market1501(root)["query"]
    with pytest.raises(DataError, match=r"(?s)cannot be decoded.*0001_c6s1_001051_00\.jpg"):
        query.open_image(0)


def test_a_decompression_bomb_is_named(root, monkeypatch):
    monkeypatch.setattr(files, "MAX_PIXELS", 10)
    query = read_market1501(root)["query"]
    with pytest.raises(DataError, match=r"(?s)0001_c6s1_001051_00\.jpg.*at most 10 pixels"):
        query.open_image(0)


def test_names_that_tell_nothing_are_counted_and_shown(root):
    for number in range(7):
        write_image(root / "query" / f"person{number}.jpg")
    with pytest.raises(DataError) as caught:
        read_market1501(root)
    message = str(caught.value)
    assert "7 file name(s)" in message
    assert ", ".join(f"person{number}.jpg" for number in range(5)) + ", …" in message
    assert "person5" not in message
    assert str(root / "query") in message
    assert "PPPP_cCsS_FFFFFF_BB.jpg" in message


@pytest.mark.parametrize(
    "name",
    [
        "0002_c0s1_000451_03.jpg",  # cameras count from 1
        "0002_c1_f0046182.jpg",  # another data set's names
        "-2_c1s1_000451_03.jpg",
        "0002_c1s1_000451_03 copy.jpg",
        "٠٠٠٢_c1s1_000451_03.jpg",
    ],
)
def test_a_name_is_read_whole_or_not_at_all(root, name):
    write_image(root / "query" / name)
    with pytest.raises(DataError, match="1 file name"):
        read_market1501(root)


def test_a_missing_root_names_the_nearest_folder(root):
    with pytest.raises(MissingInputError) as caught:
        read_market1501(root.parent / "marked")
    message = str(caught.value)
    assert str(root.parent / "marked" / "bounding_box_train") in message
    assert f"{root.parent} holds market" in message


def test_a_missing_folder_says_what_is_there(root):
    (root / "query").rename(root / "queries")
    with pytest.raises(MissingInputError) as caught:
        read_market1501(root)
    message = str(caught.value)
    assert str(root / "query") in message
    assert f"{root} holds bounding_box_test, bounding_box_train, queries" in message
    assert "give the folder that holds bounding_box_train, query, bounding_box_test" in message


def test_the_archives_own_folder_is_suggested(root):
    root.rename(root.parent / "Market-1501-v15.09.15")
    with pytest.raises(MissingInputError, match=r"did you mean .*Market-1501-v15\.09\.15\?"):
        read_market1501(root.parent)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "(?s)holds no images.*holds nothing"),
        (["Thumbs.db"], r"(?s)holds no images.*holds Thumbs\.db"),
        (["-1_c1s1_000401_03.jpg"], "only junk images"),
    ],
)
def test_a_folder_without_usable_images(root, names, message):
    for file in (root / "query").iterdir():
        file.unlink()
    for name in names:
        write_image(root / "query" / name)
    with pytest.raises(MissingInputError, match=message):
        read_market1501(root)


@pytest.mark.parametrize("name", ["DukeMTMC-reID", "dukemtmc", "Duke_MTMC"])
@pytest.mark.parametrize("inner", [".", "images"])
def test_withdrawn_images_are_refused(tmp_path, name, inner):
    for path in TREE:
        write_image(tmp_path / name / inner / path)
    with pytest.raises(DataError, match="withdrawn"):
        read_market1501(tmp_path / name / inner)


def test_withdrawn_images_are_refused_by_another_name(root, tmp_path):
    root.rename(tmp_path / "DukeMTMC")
    (tmp_path / "people").symlink_to(tmp_path / "DukeMTMC")
    with pytest.raises(DataError, match="withdrawn"):
        read_market1501(tmp_path / "people")


@pytest.mark.skipif(not PKU_REID.is_dir(), reason="the real images are not on this machine")
def test_real_images():
    tables = read_market1501(PKU_REID)
    assert {split: len(table.paths) for split, table in tables.items()} == {
        "train": 592,
        "query": 148,
        "gallery": 444,
    }
    people = {split: set(table.pids.tolist()) for split, table in tables.items()}
    assert len(people["train"]) == len(people["gallery"]) == 37
    assert people["query"] == people["gallery"]
    assert not people["train"] & people["gallery"]
    for table in tables.values():
        assert set(table.camids.tolist()) == {0, 1}
        assert table.open_image(0).size == (48, 128)
