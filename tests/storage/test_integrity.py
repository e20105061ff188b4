import numpy as np
import pytest
import zarr

from pplr.errors import DataError
from pplr.storage.arrays import open_arrays, read_arrays, read_digest, write_arrays
from pplr.storage.checksums import write_checksums
from pplr.storage.images import PackedImages
from pplr.storage.integrity import check_range, fits
from pplr.storage.specs import ARRAYS


def replace_array(path, name, values):
    """Put another array in a group, as a program that does not know the layout would."""
    zarr.open_group(path, mode="r+").create_array(name, data=values, overwrite=True)
    write_checksums(path)


def refusal(path, name, read=read_arrays):
    with pytest.raises(DataError, match=f"`{name}` is not the array that it should be") as caught:
        read(path, name)
    assert f"where:   {path}" in str(caught.value)
    assert "next:    remove it and run `dvc repro`" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("read", [read_arrays, open_arrays])
@pytest.mark.parametrize(
    ("name", "values", "found", "allowed"),
    [
        (
            "global",
            np.ones((5, 4)),
            "float64, 2 dimensions",
            "float16 or float32, 2 dimensions: image, feature",
        ),
        (
            "parts",
            np.ones((5, 4), np.float32),
            "float32, 2 dimensions",
            "float16 or float32, 3 dimensions: image, part, feature",
        ),
        ("pseudo_labels", np.ones(5, np.int64), "int64, 1 dimensions", "int32, 1 dimensions"),
        (
            "pseudo_labels",
            np.ones(4, np.int32),
            "4 rows, where `global` has 5",
            "as many rows in every array of a group",
        ),
    ],
)
def test_an_array_that_does_not_fit_is_refused(group, read, name, values, found, allowed):
    replace_array(group, name, values)
    message = refusal(group, name, read)
    assert f"found:   {found}" in message
    assert f"allowed: {allowed}" in message


def test_either_type_of_features_is_read(group, arrays):
    for dtype in (np.float16, np.float32):
        replace_array(group, "global", arrays["global"].astype(dtype))
        assert read_arrays(group, "global")[0].dtype == dtype


def test_images_that_do_not_fit_are_refused(split):
    replace_array(split, "images", np.ones((5, 4, 2, 3), np.float32))
    refusal(split, "images", read=lambda path, _: PackedImages(path))


@pytest.mark.parametrize(
    ("name", "values", "found", "allowed"),
    [
        ("pseudo_labels", np.array([0, -2], np.int32), "values from -2 to 0", "-1 or more"),
        ("ranked_list", np.array([[1], [2]], np.int32), "values from 1 to 2", "0 to 1"),
        ("ranked_list", np.array([[-1], [0]], np.int32), "values from -1 to 0", "0 to 1"),
        ("cross_agreement", np.array([[1.5]], np.float32), "values from 1.5 to 1.5", "0 to 1"),
        ("cross_agreement", np.array([[np.nan]], np.float32), "values from nan to nan", "0 to 1"),
    ],
)
def test_values_out_of_range_are_refused_when_all_are_read(tmp_path, name, values, found, allowed):
    write_arrays(tmp_path / "g", {name: values}, digest="t")
    message = refusal(tmp_path / "g", name)
    assert f"found:   {found}" in message
    assert f"allowed: {allowed}" in message
    open_arrays(tmp_path / "g", name)  # nothing is read


def test_the_range_of_features_is_looked_at_when_asked(tmp_path):
    wrong = np.full((2, 3), 2, np.float32)
    write_arrays(tmp_path / "g", {"global": wrong}, digest="t")
    (read,) = read_arrays(tmp_path / "g", "global")
    with pytest.raises(DataError, match="`global` is not the array"):
        check_range("global", read, tmp_path / "g")


@pytest.mark.parametrize("name", ["pseudo_labels", "ranked_list", "paths"])
def test_an_empty_array_is_in_range(tmp_path, name):
    check_range(name, np.empty((0,) * len(ARRAYS[name].dimensions), np.int32), tmp_path)


def test_what_fits():
    assert fits(ARRAYS["paths"], np.dtypes.StringDType(), 1)
    assert not fits(ARRAYS["paths"], np.dtype("int32"), 1)
    assert fits(ARRAYS["images"], np.dtype("uint8"), 4)


def test_an_array_that_does_not_fit_is_not_written(tmp_path):
    with pytest.raises(AssertionError, match="pids is not as the layout says"):
        write_arrays(tmp_path / "g", {"pids": np.zeros(3)}, digest="t")
    assert not (tmp_path / "g").exists()


def test_a_group_that_says_of_no_images(tmp_path):
    zarr.create_group(tmp_path / "g")
    write_checksums(tmp_path / "g")
    with pytest.raises(DataError, match="it does not say of which images it is"):
        read_digest(tmp_path / "g")
    with pytest.raises(DataError, match="it does not say of which images it is"):
        read_arrays(tmp_path / "g", "global", digest="t")


# --- lazily --------------------------------------------------------------------------------


@pytest.fixture
def in_three_chunks(tmp_path, monkeypatch):
    """Nine rows of 64 bytes, of which a chunk of a shard holds three."""
    monkeypatch.setattr("pplr.storage.arrays.SHARD_CHUNK_BYTES", 192)
    values = np.random.default_rng(0).normal(size=(9, 16)).astype(np.float32)
    write_arrays(tmp_path / "g", {"global": values}, digest="t")
    return tmp_path / "g", values


def test_a_slice_is_read_alone(in_three_chunks):
    path, values = in_three_chunks
    file = path / "global" / "c" / "0" / "0"
    content = bytearray(file.read_bytes())
    content[10] ^= 1  # in the first chunk
    file.write_bytes(content)
    (array,) = open_arrays(path, "global")
    np.testing.assert_array_equal(array[3:9], values[3:9])
    with pytest.raises(DataError, match="`global` cannot be read"):
        read_arrays(path, "global")


def test_what_is_opened_cannot_be_written(in_three_chunks):
    (array,) = open_arrays(in_three_chunks[0], "global")
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 0


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("name", "shape"), [("global", (600, 3)), ("parts", (600, 2, 3))])
def test_features_that_are_not_finite_name_their_file_and_row(tmp_path, name, shape, bad, dtype):
    path = tmp_path / "features.zarr"
    largest = np.finfo(dtype).max  # whose exponent is the highest of the finite
    values = np.random.default_rng(0).choice(np.array([0, 1, -largest, largest], dtype), shape)
    write_arrays(path, {name: values}, digest="x")
    assert np.array_equal(read_arrays(path, name)[0], values)
    values[[300, 599], ..., 1] = bad
    write_arrays(path, {name: values}, digest="x")
    with pytest.raises(DataError, match=f"`{name}` holds NaN or infinite values") as caught:
        read_arrays(path, name)
    assert f"where:   {path}\n" in str(caught.value)
    assert "found:   row 300 is the first such" in str(caught.value)
