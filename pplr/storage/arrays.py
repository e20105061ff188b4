"""Zarr groups in and out: how arrays lie on disk."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec

from pplr.storage.checks import damaged, missing_group
from pplr.storage.checksums import check_folder
from pplr.storage.integrity import (
    check_array,
    check_finite,
    check_range,
    check_rows,
    check_table,
    fits,
    group_digest,
)
from pplr.storage.replacing import replacing
from pplr.storage.specs import ARRAYS

SHARD_CHUNK_BYTES = 4 * 2**20


def table_digest(paths: Sequence[str]) -> str:
    """Return the SHA-256 of a split's paths in row order, which every group of it carries."""
    return hashlib.sha256("\n".join(paths).encode()).hexdigest()


def write_arrays(
    path: Path,
    arrays: Mapping[str, NDArray[Any]],
    *,
    digest: str,
    attributes: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write a Zarr group with one shard an array, compressed by Zstd with its checksum.

    Parameters
    ----------
    path
        The group's folder; it is replaced as a whole.
    arrays
        Arrays by name; each name is described in `ARRAYS`.
    digest
        `table_digest` of the split the rows belong to.
    attributes
        More attributes, by the name of their array.
    """
    with replacing(path, sum(values.nbytes for values in arrays.values())) as temporary:
        group = zarr.create_group(temporary, attributes={"table": digest})
        for name, values in arrays.items():
            write_array(group, name, values)
            group[name].attrs.update((attributes or {}).get(name, {}))


def read_arrays(path: Path, *names: str, digest: str | None = None) -> list[NDArray[Any]]:
    """Return arrays of a group, in the order of `names`.

    Parameters
    ----------
    path
        The group's folder.
    names
        Which arrays.
    digest
        `table_digest` the group must carry; None takes any.

    Raises
    ------
    MissingInputError
        There is no such group.
    DataError
        The group belongs to another table, or an array is damaged or not as its spec says.
    """
    return [_read_whole(array, path) for array in open_arrays(path, *names, digest=digest)]


def open_arrays(path: Path, *names: str, digest: str | None = None) -> list[zarr.Array[Any]]:
    """Return arrays of a group, read-only, of whose values nothing is read yet.

    Parameters and errors are those of `read_arrays`, but for damage to the values, which shows
    when they are read.
    """
    group = open_group(path)
    if digest is not None:
        check_table(group, path, digest)
    arrays = [_open_array(group, name, path) for name in names]
    check_rows(arrays, group, path)
    return arrays


def read_values(array: zarr.Array[Any], path: Path, rows: Any = ...) -> NDArray[Any]:
    """Return rows of an array of the group in the folder `path`; all of them by default."""
    try:
        return np.asarray(array[rows])
    except OSError:  # the system refuses
        raise
    except Exception as error:  # a codec raises what it likes for a flipped bit
        raise damaged(array.basename, path, error) from None


def read_digest(path: Path) -> str:
    """Return the `table_digest` that a group carries.

    Raises
    ------
    MissingInputError
        There is no such group.
    DataError
        It is damaged, or carries none.
    """
    return group_digest(open_group(path), path)


def write_array(group: zarr.Group, name: str, values: NDArray[Any]) -> None:
    """Write an array into one shard of compressed chunks of about `SHARD_CHUNK_BYTES`."""
    assert fits(ARRAYS[name], values.dtype, values.ndim), f"{name} is not as the layout says"
    row_bytes = max(1, values[:1].nbytes)
    rows = min(max(1, len(values)), max(1, SHARD_CHUNK_BYTES // row_bytes))
    shard = -(-max(1, len(values)) // rows) * rows
    array = group.create_array(
        name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=(rows, *values.shape[1:]),
        shards=(shard, *values.shape[1:]),
        compressors=ZstdCodec(checksum=True),
        **description(name),
    )
    array[...] = values


def description(name: str) -> dict[str, Any]:
    """Return what Zarr is told of an array beside its shape and type."""
    spec = ARRAYS[name]
    return {
        "dimension_names": spec.dimensions,
        "attributes": {"description": spec.description, "unit": spec.unit},
        # a chunk of zeros is written like any other, so that a missing file is an error
        "config": {"write_empty_chunks": True},
    }


def open_group(path: Path) -> zarr.Group:
    """Return a group, read-only, whose files are all there and are those that were written.

    Raises
    ------
    MissingInputError
        There is no such group.
    DataError
        A file of it is missing, or is not as it was written.
    """
    if not path.is_dir():
        raise missing_group(path)
    check_folder(path)
    return zarr.open_group(path, mode="r")


def _open_array(group: zarr.Group, name: str, path: Path) -> zarr.Array[Any]:
    try:
        array = group[name]
    except KeyError as error:
        raise damaged(name, path, error) from None
    assert isinstance(array, zarr.Array)
    check_array(array, path)
    return array


def _read_whole(array: zarr.Array[Any], path: Path) -> NDArray[Any]:
    values = read_values(array, path)
    if ARRAYS[array.basename].group == "features":  # their range is slow to look at
        check_finite(array.basename, values, path)
    else:
        check_range(array.basename, values, path)
    return values
