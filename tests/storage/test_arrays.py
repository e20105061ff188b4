import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pplr.errors import DataError, MissingInputError
from pplr.storage import arrays as store
from pplr.storage import images as split_images
from pplr.storage.arrays import read_arrays, read_digest, table_digest, write_arrays
from pplr.storage.images import PackedImages, chunk_file, complete_split, create_split
from pplr.storage.json_files import read_json, write_json
from pplr.storage.layout import ARRAYS
from pplr.storage.replacing import replacing
from tests.packing import write_split

PATHS = ("a/0.jpg", "a/é1.jpg", "b/2.jpg", "b/3.jpg", "b/4.jpg")


def files_below(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def metadata(folder):
    return json.loads((folder / "zarr.json").read_text())


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "global": rng.normal(size=(5, 4)).astype(np.float16),
        "parts": rng.normal(size=(5, 3, 4)).astype(np.float32),
        "pseudo_labels": np.array([0, 0, -1, 1, 0], np.int32),
    }


@pytest.fixture
def group(tmp_path, arrays):
    path = tmp_path / "features.zarr"
    write_arrays(path, arrays, digest="table-1")
    return path


@pytest.fixture
def images():
    return np.random.default_rng(1).integers(0, 256, (5, 4, 2, 3), dtype=np.uint8)


@pytest.fixture
def split(tmp_path, images, monkeypatch):
    """Five images in chunks of two; the camera of image 2 is unknown."""
    monkeypatch.setattr(split_images, "IMAGES_PER_CHUNK", 2)
    path = tmp_path / "train"
    write_split(
        path,
        images,
        columns={
            "pids": np.array([1, 1, 2, 2, 0], np.int32),
            "camids": np.array([0, 1, -1, 1, 0], np.int32),
        },
        paths=PATHS,
    )
    return path


# --- groups of arrays ----------------------------------------------------------------------


def test_arrays_come_back_as_they_were(group, arrays):
    for name, values in arrays.items():
        (read,) = read_arrays(group, name, digest="table-1")
        assert read.dtype == values.dtype
        np.testing.assert_array_equal(read, values)
    labels, features = read_arrays(group, "pseudo_labels", "global")  # in the order of the names
    assert (labels.shape, features.shape) == ((5,), (5, 4))
    assert read_digest(group) == "table-1"


def test_more_attributes_stand_beside_an_arrays_own(tmp_path, arrays):
    path = tmp_path / "clusters.zarr"
    more = {"pseudo_labels": {"search": "exact"}}
    write_arrays(path, arrays, digest="table-1", attributes=more)
    assert metadata(path / "pseudo_labels")["attributes"]["search"] == "exact"
    assert metadata(path / "pseudo_labels")["attributes"]["unit"] == "cluster"
    assert "search" not in metadata(path / "parts")["attributes"]


def test_the_layout_on_disk_by_hand(group):
    assert set(files_below(group)) == {
        "zarr.json",
        "global/zarr.json",
        "global/c/0/0",
        "parts/zarr.json",
        "parts/c/0/0/0",
        "pseudo_labels/zarr.json",
        "pseudo_labels/c/0",
    }
    assert metadata(group)["zarr_format"] == 3
    assert metadata(group)["attributes"] == {"table": "table-1"}
    parts = metadata(group / "parts")
    assert parts["zarr_format"] == 3
    assert parts["shape"] == [5, 3, 4]
    assert parts["data_type"] == "float32"
    assert parts["dimension_names"] == ["image", "part", "feature"]
    assert parts["attributes"] == {
        "description": "part features from the top down, L2-normalised",
        "unit": "1",
    }
    (sharding,) = parts["codecs"]
    assert sharding["name"] == "sharding_indexed"
    zstd = sharding["configuration"]["codecs"][-1]
    assert zstd["name"] == "zstd"
    assert zstd["configuration"]["checksum"] is True


def test_many_chunks_lie_in_one_shard(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SHARD_CHUNK_BYTES", 48)  # rows of 16 bytes: three in a chunk
    values = np.arange(40, dtype=np.int32).reshape(10, 4)
    write_arrays(tmp_path / "g", {"ranked_list": values}, digest="t")
    assert set(files_below(tmp_path / "g" / "ranked_list")) == {"zarr.json", "c/0/0"}
    codec = metadata(tmp_path / "g" / "ranked_list")["codecs"][0]
    assert codec["configuration"]["chunk_shape"] == [3, 4]
    np.testing.assert_array_equal(read_arrays(tmp_path / "g", "ranked_list")[0], values)


@pytest.mark.parametrize("name", sorted(ARRAYS))
def test_every_array_is_described(name):
    dimensions, description, unit = ARRAYS[name]
    assert dimensions[0] == "image"
    assert len(description) > 5
    assert unit


@given(rows=st.integers(0, 40), features=st.integers(1, 9), seed=st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_any_shape_comes_back(tmp_path_factory, rows, features, seed):
    values = np.random.default_rng(seed).normal(size=(rows, features)).astype(np.float32)
    path = tmp_path_factory.mktemp("any") / "g"
    write_arrays(path, {"global": values}, digest="t")
    np.testing.assert_array_equal(read_arrays(path, "global")[0], values)


def test_the_same_content_gives_the_same_bytes(group, arrays, tmp_path):
    write_arrays(tmp_path / "again.zarr", arrays, digest="table-1")
    assert files_below(tmp_path / "again.zarr") == files_below(group)


def test_zeros_are_written_too(tmp_path):
    # Zarr leaves out a chunk of fill values by default; here a missing chunk file is an error.
    zeros = np.zeros((3, 2), np.float32)
    write_arrays(tmp_path / "g", {"cross_agreement": zeros}, digest="t")
    assert (tmp_path / "g" / "cross_agreement" / "c" / "0" / "0").is_file()
    np.testing.assert_array_equal(read_arrays(tmp_path / "g", "cross_agreement")[0], zeros)


def test_writing_replaces_the_whole_group(group, arrays):
    write_arrays(group, {"global": arrays["global"] + 1}, digest="table-2")
    assert read_digest(group) == "table-2"
    assert not (group / "parts").exists()


# --- refusals ------------------------------------------------------------------------------


def test_a_group_of_another_table_is_refused(group):
    with pytest.raises(DataError, match="another table of images") as caught:
        read_arrays(group, "global", digest="table-2")
    assert "found:   table table-1" in str(caught.value)
    assert "allowed: table table-2" in str(caught.value)
    assert str(group) in str(caught.value)


@pytest.mark.parametrize("read", [read_digest, PackedImages, lambda p: read_arrays(p, "pids")])
def test_a_missing_group(tmp_path, read):
    with pytest.raises(MissingInputError, match="A group of arrays is missing") as caught:
        read(tmp_path / "none.zarr")
    assert str(tmp_path / "none.zarr") in str(caught.value)


@pytest.mark.parametrize("position", [0, 0.25, 0.5, 0.75, 1])
@pytest.mark.parametrize(
    ("name", "file"),
    [("global", "c/0/0"), ("parts", "c/0/0/0"), ("pseudo_labels", "c/0")],
)
def test_a_flipped_bit_is_noticed(group, name, file, position):
    path = group / name / file
    content = bytearray(path.read_bytes())
    content[round(position * (len(content) - 1))] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"`{name}` cannot be read") as caught:
        read_arrays(group, name)
    assert str(group) in str(caught.value)
    assert "dvc repro" in str(caught.value)


@pytest.mark.parametrize("name", ["pids", "camids", "paths"])
def test_no_flipped_bit_changes_a_column_unnoticed(split, name):
    path = split / name / "c" / "0"
    content = path.read_bytes()
    (whole,) = read_arrays(split, name)
    unnoticed = 0
    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            (read,) = read_arrays(split, name)
        except DataError:
            continue
        unnoticed += 1
        np.testing.assert_array_equal(read, whole)
    assert unnoticed <= 1  # Zstd's header has a bit that means nothing


def test_a_cut_chunk_file_is_noticed(group):
    path = group / "global" / "c" / "0" / "0"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DataError, match="`global` cannot be read"):
        read_arrays(group, "global")


def test_a_missing_chunk_file_is_noticed(group):
    (group / "parts" / "c" / "0" / "0" / "0").unlink()
    with pytest.raises(DataError, match="a chunk file is missing") as caught:
        read_arrays(group, "parts")
    assert "`parts`" in str(caught.value)
    assert read_arrays(group, "global")[0].shape == (5, 4)  # the others are whole


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_missing_or_broken_array_is_noticed(group, damage):
    path = group / "global" / "zarr.json"
    path.unlink() if damage == "missing" else path.write_text(path.read_text()[:30])
    with pytest.raises(DataError, match="`global` cannot be read"):
        read_arrays(group, "global")


# --- the table's digest --------------------------------------------------------------------


def test_the_digest_by_hand():
    # printf 'a/0.jpg\nb/1.jpg' | sha256sum
    expected = "19aeaf9798f90780b33944c2213b7adaaaba2233dd423010b9332014593b913b"
    assert table_digest(["a/0.jpg", "b/1.jpg"]) == expected


def test_the_digest_knows_the_order_and_every_path():
    digests = {table_digest(paths) for paths in (["a", "b"], ["b", "a"], ["a"], ["ab"], [])}
    assert len(digests) == 5


# --- replacing -----------------------------------------------------------------------------


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "out"
    path.mkdir()
    (path / "old.txt").write_text("old")
    return path


def test_success_replaces_all_of_the_old(old):
    with replacing(old) as temporary:
        assert temporary.parent == old.parent  # the same file system: moving is renaming
        temporary.mkdir()
        (temporary / "new.txt").write_text("new")
        assert files_below(old) == {"old.txt": b"old"}  # until the block ends
    assert files_below(old) == {"new.txt": b"new"}
    assert [path.name for path in old.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, SystemExit])
def test_failure_leaves_the_old(old, error):
    def fail():
        with replacing(old) as temporary:
            temporary.mkdir()
            (temporary / "half.txt").write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert files_below(old) == {"old.txt": b"old"}
    assert [path.name for path in old.parent.iterdir()] == ["out"]


def test_what_a_killed_process_left_is_cleared(old):
    leftover = old.parent / ".out.partial"
    leftover.mkdir()
    (leftover / "half.txt").write_text("half")
    with replacing(old) as temporary:
        assert not temporary.exists()
        temporary.write_text("a file this time")
    assert old.read_text() == "a file this time"
    assert [path.name for path in old.parent.iterdir()] == ["out"]


def test_missing_folders_are_made(tmp_path):
    with replacing(tmp_path / "a" / "b" / "out.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a" / "b" / "out.txt").read_text() == "new"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_into_the_cache_is_replaced_and_not_written_through(tmp_path, kind):
    cached = tmp_path / "cache"
    if kind == "file":
        cached.write_text("cached")
    else:
        cached.mkdir()
        (cached / "a.txt").write_text("cached")
    link = tmp_path / "out"
    link.symlink_to(cached)
    with replacing(link) as temporary:
        temporary.write_text("new")
    assert link.read_text() == "new"
    assert not link.is_symlink()
    assert (cached if kind == "file" else cached / "a.txt").read_text() == "cached"


def test_a_failed_write_of_arrays_leaves_the_old(group, arrays):
    before = files_below(group)
    with pytest.raises(KeyError):
        write_arrays(group, arrays | {"nobody described this": arrays["global"]}, digest="new")
    assert files_below(group) == before
    assert [path.name for path in group.parent.iterdir()] == [group.name]


# --- splits --------------------------------------------------------------------------------


def test_the_layout_of_a_split_by_hand(split, images):
    assert set(files_below(split)) == {
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


# --- PackedImages --------------------------------------------------------------------------


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


@pytest.mark.parametrize("chunk", [0, 2])
def test_a_cut_chunk_of_images(split, chunk):
    path = split / "images" / "c" / str(chunk) / "0" / "0" / "0"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="`images` cannot be read") as caught:
        PackedImages(split)
    assert str(path) in str(caught.value)


def test_a_missing_chunk_of_images(split):
    path = split / "images" / "c" / "1" / "0" / "0" / "0"
    path.unlink()
    with pytest.raises(DataError, match="`images` cannot be read") as caught:
        PackedImages(split)
    assert str(path) in str(caught.value)


def test_an_empty_chunk_of_images(split):
    (split / "images" / "c" / "1" / "0" / "0" / "0").write_bytes(b"")
    with pytest.raises(DataError, match="`images` cannot be read"):
        PackedImages(split)


# --- JSON ----------------------------------------------------------------------------------


def test_json_by_hand(tmp_path):
    path = tmp_path / "results" / "00.json"
    write_json(path, {"mAP": 0.5, "num_valid_queries": 3})
    assert path.read_text() == '{\n  "mAP": 0.5,\n  "num_valid_queries": 3\n}\n'
    assert read_json(path) == {"mAP": 0.5, "num_valid_queries": 3}


def test_json_that_cannot_be_written_leaves_the_old(tmp_path):
    path = tmp_path / "00.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": np.float32(1)})
    assert read_json(path) == {"a": 1}
