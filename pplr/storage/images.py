"""The packed images of a split: raw chunk files that readers map into memory."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pplr.errors import PplrError
from pplr.storage.arrays import description, open_arrays, table_digest, write_array
from pplr.storage.checks import damaged
from pplr.storage.checksums import file_checksum, read_checksums, write_checksums

IMAGES_PER_CHUNK = 1024


def create_split(path: Path, shape: tuple[int, int, int, int]) -> zarr.Array[Any]:
    """Write a split's group with places for its images, in chunk files of raw bytes.

    Parameters
    ----------
    path
        The group's folder.
    shape
        (N,H,W,3).

    Returns
    -------
    zarr.Array
        `images`, uint8. Its chunk files are there, so that processes can write into them.
    """
    rows = max(1, min(shape[0], IMAGES_PER_CHUNK))
    images = zarr.create_group(path).create_array(
        "images",
        shape=shape,
        dtype="uint8",
        chunks=(rows, *shape[1:]),
        compressors=None,  # readers map the chunk files into memory
        **description("images"),
    )
    for chunk in range(images.nchunks if shape[0] else 0):
        file = chunk_file(path, chunk)
        file.parent.mkdir(parents=True)
        with file.open("wb") as empty:
            empty.truncate(rows * math.prod(shape[1:]))
    return images


def complete_split(
    path: Path,
    *,
    columns: Mapping[str, NDArray[Any]],
    paths: Sequence[str],
    broken: Mapping[int, PplrError] | None = None,
) -> None:
    """Write what a split has beside its images, and leave broken images out.

    Parameters
    ----------
    path
        The group's folder; `images` has one row for each path.
    columns
        `pids` and `camids`, (N,) int32.
    paths
        N paths in row order.
    broken
        Rows without an image, and why: in the end they have no place in any array, and the group's
        attribute `skipped` lists them.
    """
    group = zarr.open_group(path)
    broken = broken or {}
    kept = np.array([row for row in range(len(paths)) if row not in broken], np.int64)
    if broken:
        images = group["images"]
        assert isinstance(images, zarr.Array)
        for start in range(0, len(kept), IMAGES_PER_CHUNK):  # rows move up only: none is lost
            rows = kept[start : start + IMAGES_PER_CHUNK]
            images[start : start + len(rows)] = images.oindex[rows]
        images.resize((len(kept), *images.shape[1:]))
        group.attrs["skipped"] = [
            {"path": paths[row], "reason": str(error.value)} for row, error in broken.items()
        ]
    for name, values in columns.items():
        write_array(group, name, values[kept])
    kept_paths = [paths[row] for row in kept]
    group.attrs["table"] = table_digest(kept_paths)
    write_array(group, "paths", np.array(kept_paths, dtype=np.dtypes.StringDType()))
    write_checksums(path)


def chunk_file(split: Path, chunk: int) -> Path:
    """Return the file of a chunk of a split's images."""
    return split / "images" / "c" / str(chunk) / "0" / "0" / "0"


class PackedImages:
    """The images of a split, mapped into memory chunk by chunk.

    Parameters
    ----------
    path
        The folder of a split, as `complete_split` left it.
    """

    def __init__(self, path: Path):
        (array,) = open_arrays(path, "images")
        self.shape = array.shape  # (N,H,W,3)
        self.rows_per_chunk = array.chunks[0]
        chunk_shape = (self.rows_per_chunk, *self.shape[1:])
        num_chunks = -(-self.shape[0] // self.rows_per_chunk)
        self._path = path
        self._chunks = [_map_chunk(chunk_file(path, i), chunk_shape) for i in range(num_chunks)]
        self._checksums = read_checksums(path)
        self._is_checked = np.zeros(num_chunks, bool)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return images (B,H,W,3) uint8 of rows (B,) int64, a copy."""
        batch = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        chunk_of, row_in_chunk = np.divmod(rows, self.rows_per_chunk)
        for chunk in np.unique(chunk_of):
            if not self._is_checked[chunk]:  # in its turn: a few images want a few chunks
                self._check(chunk)
            here = chunk_of == chunk
            batch[here] = self._chunks[chunk][row_in_chunk[here]]
        return batch

    def _check(self, chunk: int) -> None:
        """Raise a DataError where a chunk file, which is raw, has not the bytes that were written.

        The last chunk of a split from which images were left out is longer than its rows.
        """
        file = chunk_file(self._path, chunk)
        _, checksum = self._checksums[str(file.relative_to(self._path))]
        if file_checksum(file) != checksum:
            raise damaged(name="images", path=file, problem="its content is not what was written")
        self._is_checked[chunk] = True


def _map_chunk(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    try:
        return np.memmap(path, dtype=np.uint8, mode="r", shape=shape)
    except ValueError as error:  # too short
        raise damaged(name="images", path=path, problem=error) from None
