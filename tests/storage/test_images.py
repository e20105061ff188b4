import numpy as np
import pytest

from pplr.errors import DataError
from pplr.storage import images as split_images
from pplr.storage.arrays import read_arrays, read_digest, table_digest
from pplr.storage.images import PackedImages, chunk_file, complete_split, create_split
from tests.packing import PATHS, files_below, metadata, write_split


def test_the_layout_of_a_split_by_hand(split, images):
    assert set(files_below(split)) == {
        "checksums.json",
        "zarr.json",
        "images/zarr.json",
        "images/c/0/0/0/0",
        "images/c/1/0/0/0",
        "images/c/2/0/0/0",
        "pids/zarr.json",
        "pids/c/0",
        "camids/zarr.json",
        "camids/c/0",
        "paths/zarr.json",
        "paths/c/0",
    }
    description = metadata(split / "images")
    assert description["shape"] == [5, 4, 2, 3]
    assert description["dimension_names"] == ["image", "row", "column", "channel"]
    assert description["attributes"]["unit"] == "0..255"
    assert [codec["name"] for codec in description["codecs"]] == ["bytes"]  # not compressed
    # A chunk file is nothing but the bytes of its images; the last one is filled up.
    chunks = [np.fromfile(split / "images" / "c" / f"{i}/0/0/0", np.uint8) for i in range(3)]
    np.testing.assert_array_equal(chunks[0].reshape(2, 4, 2, 3), images[:2])
    np.testing.assert_array_equal(chunks[1].reshape(2, 4, 2, 3), images[2:4])
    np.testing.assert_array_equal(chunks[2].reshape(2, 4, 2, 3)[:1], images[4:])


def test_the_columns_of_a_split(split):
    pids, camids, paths = read_arrays(split, "pids", "camids", "paths")
    assert pids.tolist() == [1, 1, 2, 2, 0]
    assert camids.tolist() == [0, 1, -1, 1, 0]
    assert pids.dtype == camids.dtype == np.int32
    assert tuple(paths.tolist()) == PATHS
    assert read_digest(split) == table_digest(PATHS)


def test_a_split_has_the_same_bytes_twice(split, images, tmp_path):
    pids, camids = read_arrays(split, "pids", "camids")
    write_split(
        tmp_path / "again",
        images,
        columns={"pids": pids, "camids": camids},
        paths=PATHS,
    )
    assert files_below(tmp_path / "again") == files_below(split)


@pytest.mark.parametrize("rows", [[0], [4], [1, 2], [0, 1, 4], [0, 1, 2, 3, 4]])
def test_broken_rows_are_left_out_of_every_array(tmp_path, monkeypatch, images, rows):
    monkeypatch.setattr(split_images, "IMAGES_PER_CHUNK", 2)
    pids, camids = np.array([1, 1, 2, 2, 0], np.int32), np.array([0, 1, -1, 1, 0], np.int32)
    kept = [row for row in range(5) if row not in rows]
    broken = DataError("x", where="y", value="cut", allowed="z", next_step="w")
    create_split(tmp_path / "train", images.shape)[...] = images
    complete_split(
        tmp_path / "train",
        columns={"pids": pids, "camids": camids},
        paths=PATHS,
        broken=dict.fromkeys(rows, broken),
    )
    packed = PackedImages(tmp_path / "train")
    np.testing.assert_array_equal(packed[np.arange(len(packed))], images[kept])
    read = read_arrays(tmp_path / "train", "pids", "camids", "paths")
    assert [column.tolist() for column in read] == [
        pids[kept].tolist(),
        camids[kept].tolist(),
        [PATHS[row] for row in kept],
    ]
    assert read_digest(tmp_path / "train") == table_digest([PATHS[row] for row in kept])
    skipped = metadata(tmp_path / "train")["attributes"]["skipped"]
    assert skipped == [{"path": PATHS[row], "reason": "cut"} for row in rows]
    assert chunk_file(tmp_path / "train", 2).exists() == (len(kept) > 4)


# --- PackedImages -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rows", [[0], [4], [4, 0, 2], [1, 2], [3, 3, 0, 3], [0, 1, 2, 3, 4], [4, 3, 2, 1, 0], []]
)
def test_rows_in_any_order(split, images, rows):
    packed = PackedImages(split)
    assert len(packed) == 5
    assert packed.shape == (5, 4, 2, 3)
    rows = np.array(rows, np.int64)
    np.testing.assert_array_equal(packed[rows], images[rows])


def test_a_batch_is_a_copy(split, images):
    packed = PackedImages(split)
    batch = packed[np.array([0, 1])]
    batch[:] = 0
    np.testing.assert_array_equal(packed[np.array([0, 1])], images[:2])


def test_a_row_that_is_not_there(split):
    with pytest.raises(IndexError):
        PackedImages(split)[np.array([6])]


@pytest.mark.parametrize("chunk", [0, 1, 2])
@pytest.mark.parametrize("damage", ["cut", "empty", "missing", "longer"])
def test_a_chunk_of_another_size(split, chunk, damage):
    path = chunk_file(split, chunk)
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"cut": content[:-1], "empty": b"", "longer": content + b"x"}[damage])
    with pytest.raises(DataError, match=f"`images/c/{chunk}/0/0/0` cannot be read") as caught:
        PackedImages(split)
    assert f"where:   {split}\n" in str(caught.value)


@pytest.mark.parametrize("chunk", [0, 1, 2])
def test_a_flipped_bit_of_an_image_is_noticed_when_its_chunk_is_read(split, images, chunk):
    path = chunk_file(split, chunk)
    content = bytearray(path.read_bytes())
    content[7] ^= 4
    path.write_bytes(content)
    packed = PackedImages(split)
    for row in range(5):
        if row // 2 == chunk:
            with pytest.raises(DataError, match="`images` cannot be read") as caught:
                packed[np.array([row])]
            assert f"where:   {path}\n" in str(caught.value)
        else:
            np.testing.assert_array_equal(packed[np.array([row])], images[[row]])
