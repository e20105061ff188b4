"""What notices damage when arrays are read; no stage depends on it."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pplr.storage.checks import damaged, not_finite, other_table, unfit
from pplr.storage.specs import ARRAYS, ArraySpec

_ROWS_AT_A_TIME = 256


def check_table(group: zarr.Group, path: Path, digest: str) -> None:
    """Raise a DataError unless a group carries this `table_digest`."""
    found = group_digest(group, path)
    if found != digest:
        raise other_table(path, found=found, wanted=digest)


def group_digest(group: zarr.Group, path: Path) -> str:
    """Return the `table_digest` that a group carries; raise a DataError where it has none."""
    if "table" not in group.attrs:
        raise damaged(path.name, path, "it does not say of which images it is")
    return str(group.attrs["table"])


def check_array(array: zarr.Array[Any], path: Path) -> None:
    """Raise a DataError unless an array is as its spec says; none of its values is read."""
    spec = ARRAYS[array.basename]
    if not fits(spec, array.dtype, array.ndim):
        raise unfit(
            spec.name,
            path,
            found=f"{_type_name(array.dtype)}, {array.ndim} dimensions",
            allowed=f"{' or '.join(spec.dtypes)}, {len(spec.dimensions)} dimensions: "
            f"{', '.join(spec.dimensions)}",
        )


def check_rows(arrays: Sequence[zarr.Array[Any]], group: zarr.Group, path: Path) -> None:
    """Raise a DataError unless arrays have as many rows as every other one of their group.

    An array of the group that cannot be opened is left out: it is refused when it is read itself.
    """
    rows = {array.basename: array.shape[0] for array in arrays}
    named = tuple(rows)
    for name in ARRAYS:
        if name not in rows and (path / name).is_dir():
            with contextlib.suppress(Exception):
                other = group[name]
                assert isinstance(other, zarr.Array)
                rows[name] = other.shape[0]
    for name in named:
        others = [other for other in rows if rows[other] != rows[name]]
        if others:
            raise unfit(
                name,
                path,
                found=f"{rows[name]} rows, where `{others[0]}` has {rows[others[0]]}",
                allowed="as many rows in every array of a group",
            )


def fits(spec: ArraySpec, dtype: np.dtype[Any], ndim: int) -> bool:
    """Return whether an array has the type and the number of dimensions of a spec."""
    return _type_name(dtype) in spec.dtypes and ndim == len(spec.dimensions)


def check_range(name: str, values: NDArray[Any], path: Path) -> None:
    """Raise a DataError where a value is outside the range of its spec.

    Parameters
    ----------
    name
        The array's name.
    values
        The whole array: its number of rows is the limit of a list of rows.
    path
        The group's folder.
    """
    spec = ARRAYS[name]
    if spec.lowest is None or not values.size:
        return
    lowest, highest = spec.lowest, np.inf if spec.highest is None else spec.highest
    if spec.unit == "row":
        highest = len(values) - 1
    smallest, largest = values.min(), values.max()
    if not (smallest >= lowest and largest <= highest):  # NaN is in no range
        raise unfit(
            name,
            path,
            found=f"values from {smallest} to {largest}",
            allowed=f"{lowest} to {highest}" if highest < np.inf else f"{lowest} or more",
        )


def check_finite(name: str, values: NDArray[Any], path: Path) -> None:
    """Raise a DataError where an array of floats holds NaN or infinite values; its first such row.

    It is looked at by its bits, a few rows at a time: several times as fast as `np.isfinite` in
    float16, without as much memory again.
    """
    exponent = {2: 0x7C00, 4: 0x7F800000}[values.itemsize]  # all its bits are 1 where not finite
    bits = values.view(f"u{values.itemsize}")
    for start in range(0, len(bits), _ROWS_AT_A_TIME):
        block = bits[start : start + _ROWS_AT_A_TIME]
        wrong = (block & block.dtype.type(exponent)) == exponent
        if wrong.any():
            row = start + int(wrong.reshape(len(block), -1).any(axis=1).argmax())
            raise not_finite(name, path, row)


def _type_name(dtype: np.dtype[Any]) -> str:
    return "string" if dtype.kind == "T" else dtype.name
