import numpy as np
import pytest
import zarr

from pplr.errors import DataError

READS = {
    "a slice": lambda array: array[:5],
    "a row": lambda array: array[3],
    "rows": lambda array: array[np.array([1, 3])],
    "a mask": lambda array: array[np.ones(array.shape, bool)],
    "oindex": lambda array: array.oindex[np.array([1, 3])],
    "vindex": lambda array: array.vindex[np.array([1, 3]), np.array([0, 0])],
    "blocks": lambda array: array.blocks[0],
    "NumPy": np.asarray,
}


@pytest.mark.parametrize("how", READS)
def test_a_damaged_chunk_is_told_by_array_and_folder_however_it_is_read(copy, how):
    array = copy.alternation("01").cross_agreement
    whole = READS[how](array)
    assert whole.size
    folder = copy.paths.arrays("01", "agreement")
    plain = zarr.open_group(folder, mode="r")
    np.testing.assert_array_equal(whole, READS[how](plain["cross_agreement"]))
    (chunk,) = (path for path in (folder / "cross_agreement" / "c").rglob("*") if path.is_file())
    content = bytearray(chunk.read_bytes())
    content[len(content) // 3] ^= 8
    chunk.write_bytes(content)
    with pytest.raises(DataError, match="`cross_agreement` cannot be read") as caught:
        READS[how](array)
    assert f"where:   {folder}\n" in str(caught.value)
    assert "dvc repro" in str(caught.value)


def test_who_asks_for_what_is_not_there_is_told_by_zarr(run):
    labels = run.alternation("01").pseudo_labels
    for wrong in (10**6, "x", (0, 0, 0)):
        with pytest.raises(IndexError):
            labels[wrong]
    assert isinstance(labels, zarr.Array)
    assert labels.attrs["unit"] == "cluster"
