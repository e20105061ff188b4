import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pplr.errors import DataError, MissingInputError
from pplr.storage import arrays as store
from pplr.storage.arrays import read_arrays, read_digest, table_digest, write_arrays
from pplr.storage.images import PackedImages
from tests.packing import files_below, metadata


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
        "checksums.json",
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
    values = np.arange(40, dtype=np.int32).reshape(10, 4) % 10
    write_arrays(tmp_path / "g", {"ranked_list": values}, digest="t")
    assert set(files_below(tmp_path / "g" / "ranked_list")) == {"zarr.json", "c/0/0"}
    codec = metadata(tmp_path / "g" / "ranked_list")["codecs"][0]
    assert codec["configuration"]["chunk_shape"] == [3, 4]
    np.testing.assert_array_equal(read_arrays(tmp_path / "g", "ranked_list")[0], values)


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


# --- refusals -----------------------------------------------------------------------------


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
    with pytest.raises(DataError, match="`global/c/0/0` cannot be read") as caught:
        read_arrays(group, "global")
    assert "bytes instead of" in str(caught.value)


def test_a_missing_chunk_file_is_noticed(group):
    (group / "parts" / "c" / "0" / "0" / "0").unlink()
    with pytest.raises(DataError, match="`parts/c/0/0/0` cannot be read") as caught:
        read_arrays(group, "parts")
    assert "found:   the file is missing" in str(caught.value)


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_missing_or_broken_array_is_noticed(group, damage):
    path = group / "global" / "zarr.json"
    path.unlink() if damage == "missing" else path.write_text(path.read_text()[:30])
    with pytest.raises(DataError, match=r"`global/zarr\.json` cannot be read"):
        read_arrays(group, "global")


def test_an_array_that_no_stage_wrote(group):
    with pytest.raises(DataError, match="`ranked_list` cannot be read"):
        read_arrays(group, "ranked_list")


# --- the table's digest -------------------------------------------------------------------


def test_the_digest_by_hand():
    # printf 'a/0.jpg\nb/1.jpg' | sha256sum
    expected = "19aeaf9798f90780b33944c2213b7adaaaba2233dd423010b9332014593b913b"
    assert table_digest(["a/0.jpg", "b/1.jpg"]) == expected


def test_the_digest_knows_the_order_and_every_path():
    digests = {table_digest(paths) for paths in (["a", "b"], ["b", "a"], ["a"], ["ab"], [])}
    assert len(digests) == 5
