"""Zarr groups and JSON in and out: how arrays lie on disk. Models are in `pplr.checkpoint`."""

import hashlib
import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec

from pplr.errors import DataError, MissingInputError, PplrError

IMAGES_PER_CHUNK = 1024
SHARD_CHUNK_BYTES = 4 * 2**20

# name → (dimension names, what it is, unit)
ARRAYS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "images": (("image", "row", "column", "channel"), "decoded, resized images, RGB", "0..255"),
    "pids": (("image",), "true identity, -1 unknown; never read by training", "identity"),
    "camids": (("image",), "camera, zero-based; -1 is unknown and equals no camera", "camera"),
    "paths": (("image",), "path below the folder of the images; row i is image i", "path"),
    "global": (("image", "feature"), "global features, L2-normalised", "1"),
    "parts": (("image", "part", "feature"), "part features from the top down, L2-normalised", "1"),
    "pseudo_labels": (("image",), "cluster of the global features; -1 is an outlier", "cluster"),
    "ranked_list": (("image", "rank"), "global neighbours, nearest first, without itself", "row"),
    "ranked_lists": (
        ("image", "part", "rank"),
        "neighbours by part, nearest first, without itself",
        "row",
    ),
    "cross_agreement": (("image", "part"), "Jaccard similarity of the lists, Eq. 6", "0..1"),
    "part_agreement": (
        ("image", "part", "other part"),
        "Jaccard similarity of two parts' lists",
        "0..1",
    ),
}


def table_digest(paths: Sequence[str]) -> str:
    """Return the SHA-256 of a split's paths in row order, which every group of it carries."""
    return hashlib.sha256("\n".join(paths).encode()).hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, which takes its place when the block succeeds.

    A process that is killed in the block, or a block that fails, leaves `path` as it was.
    """
    temporary = path.parent / f".{path.name}.partial"
    path.parent.mkdir(parents=True, exist_ok=True)
    remove(temporary)
    try:
        yield temporary
        if path.is_dir():  # a file is replaced in one step, a folder cannot be
            remove(path)
        temporary.replace(path)
    finally:
        remove(temporary)


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
    with replacing(path) as temporary:
        group = zarr.create_group(temporary, attributes={"table": digest})
        for name, values in arrays.items():
            _write_array(group, name, values)
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
        The group belongs to another table, or an array is damaged.
    """
    group = _open_group(path)
    if digest is not None and group.attrs["table"] != digest:
        raise DataError(
            what="The arrays belong to another table of images.",
            where=str(path),
            value=f"table {group.attrs['table']}",
            allowed=f"table {digest}",
            next_step="run `dvc repro`, which makes them anew",
        )
    return [_read_array(group, name, path) for name in names]


def read_digest(path: Path) -> str:
    """Return the `table_digest` that a group carries."""
    return str(_open_group(path).attrs["table"])


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
        **_description("images"),
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
        _write_array(group, name, values[kept])
    kept_paths = [paths[row] for row in kept]
    group.attrs["table"] = table_digest(kept_paths)
    _write_array(group, "paths", np.array(kept_paths, dtype=np.dtypes.StringDType()))


def chunk_file(split: Path, chunk: int) -> Path:
    """Return the file of a chunk of a split's images."""
    return split / "images" / "c" / str(chunk) / "0" / "0" / "0"


def _write_array(group: zarr.Group, name: str, values: NDArray[Any]) -> None:
    """Write an array into one shard of compressed chunks of about `SHARD_CHUNK_BYTES`."""
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
        **_description(name),
    )
    array[...] = values


class PackedImages:
    """The images of a split, mapped into memory chunk by chunk.

    Parameters
    ----------
    path
        The folder of a split, as `complete_split` left it.
    """

    def __init__(self, path: Path):
        array = _open_group(path)["images"]
        assert isinstance(array, zarr.Array)
        self.shape = array.shape  # (N,H,W,3)
        self.rows_per_chunk = array.chunks[0]
        chunk_shape = (self.rows_per_chunk, *self.shape[1:])
        num_chunks = -(-self.shape[0] // self.rows_per_chunk)
        self._chunks = [_map_chunk(chunk_file(path, i), chunk_shape) for i in range(num_chunks)]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return images (B,H,W,3) uint8 of rows (B,) int64, a copy."""
        batch = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        chunk_of, row_in_chunk = np.divmod(rows, self.rows_per_chunk)
        for chunk in np.unique(chunk_of):
            here = chunk_of == chunk
            batch[here] = self._chunks[chunk][row_in_chunk[here]]
        return batch


def _map_chunk(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    try:
        return np.memmap(path, dtype=np.uint8, mode="r", shape=shape)
    except (OSError, ValueError) as error:
        raise _damaged(name="images", path=path, problem=str(error)) from None


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON file, replacing it as a whole."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file that `write_json` wrote."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise _damaged(path.name, path, problem=f"{type(error).__name__}: {error}") from None
    return content


def _description(name: str) -> dict[str, Any]:
    dimensions, description, unit = ARRAYS[name]
    return {
        "dimension_names": dimensions,
        "attributes": {"description": description, "unit": unit},
        # a chunk of zeros is written like any other, so that a missing file is an error
        "config": {"write_empty_chunks": True},
    }


def _open_group(path: Path) -> zarr.Group:
    try:
        return zarr.open_group(path, mode="r")
    except FileNotFoundError:
        raise MissingInputError(
            what="A group of arrays is missing.",
            where=str(path),
            value="no Zarr group",
            allowed="a group written by a stage of the pipeline",
            next_step="run `dvc repro`, which makes it",
        ) from None
    except ValueError as error:  # JSONDecodeError of a cut zarr.json
        raise _damaged(path.name, path, problem=str(error)) from None


def _read_array(group: zarr.Group, name: str, path: Path) -> NDArray[Any]:
    try:
        array = group[name]
        assert isinstance(array, zarr.Array)
        values = np.asarray(array[...])
    except Exception as error:  # a codec raises what it likes for a flipped bit
        raise _damaged(name, path, problem=f"{type(error).__name__}: {error}") from None
    if array.nchunks_initialized < array.nchunks:  # zarr has filled in zeros
        raise _damaged(name, path, problem="a chunk file is missing")
    return values


def _damaged(name: str, path: Path, *, problem: str) -> DataError:
    return DataError(
        what=f"`{name}` cannot be read.",
        where=str(path),
        value=problem,
        allowed="what a stage of the pipeline wrote",
        next_step="remove it and run `dvc repro`, which fetches or makes it anew",
    )


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
