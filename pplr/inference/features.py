"""Features of a folder's images on disk: `features.zarr`, as `pplr extract` writes it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec

from pplr.inference.checks import check_output
from pplr.inference.images import FolderFeatures
from pplr.network.extraction import BATCH_SIZE
from pplr.storage.arrays import description, table_digest, write_array
from pplr.storage.replacing import replacing

ROWS_PER_SHARD = 4096  # 16 MiB of 2,048 features: all that is held
ROWS_PER_CHUNK = 512
BATCHES_PER_SHARD = ROWS_PER_SHARD // BATCH_SIZE
MARKS = ("global", "paths")  # no group of a run has both


def write_features(
    output: Path, found: FolderFeatures, *, parts: bool = False, force: bool = False
) -> tuple[int, int]:
    """Write the features of a folder's images and return their number and size, N and D.

    The group has `global` (N,D), `paths` (N,) and, with `parts`, `parts` (N,P,D); features are
    float16. Its attributes name the model (name, checksum, settings, revision), the folder of the
    images, and those that were left out.

    Parameters
    ----------
    output
        The group's folder, written as a whole or not at all.
    found
        The features.
    parts
        Write part features, too.
    force
        Replace features that were written there before; anything else is never replaced.

    Raises
    ------
    DataError
        There is something at `output`, or images cannot be decoded.
    """
    check_output(output, marks=MARKS, force=force)
    N, network = len(found.table), found.model.network
    D, P = network.backbone.num_features, network.num_parts
    shapes: dict[str, tuple[int, ...]] = {"global": (N, D)} | (
        {"parts": (N, P, D)} if parts else {}
    )
    with replacing(output) as temporary:
        group = zarr.create_group(temporary)
        _write_rows([_create(group, name, shape) for name, shape in shapes.items()], found)
        paths = found.paths
        write_array(group, "paths", np.array(paths, dtype=np.dtypes.StringDType()))
        group.attrs.update(_attributes(found, paths))
    return len(paths), D


def _create(group: zarr.Group, name: str, shape: tuple[int, ...]) -> zarr.Array[Any]:
    return group.create_array(
        name,
        shape=shape,
        dtype="float16",
        chunks=(ROWS_PER_CHUNK, *shape[1:]),
        shards=(ROWS_PER_SHARD, *shape[1:]),
        compressors=ZstdCodec(checksum=True),
        **description(name),
    )


def _write_rows(arrays: list[zarr.Array[Any]], batches: Iterable[NDArray[np.float32]]) -> None:
    """Write features shard by shard, and cut the arrays to as many rows as there are."""
    start = 0
    block: list[NDArray[np.float16]] = []

    def write() -> int:
        features = np.concatenate(block)  # (n,1+P,D)
        rows = slice(start, start + len(features))
        for array, values in zip(arrays, (features[:, 0], features[:, 1:]), strict=False):
            array[rows] = values
        return rows.stop

    for batch in batches:
        block.append(batch.astype(np.float16))
        if len(block) == BATCHES_PER_SHARD:
            start = write()
            block = []
    if block:
        start = write()
    for array in arrays:
        array.resize((start, *array.shape[1:]))


def _attributes(found: FolderFeatures, paths: list[str]) -> dict[str, Any]:
    skipped = [
        {"path": found.table.paths[row], "reason": str(error.value)}
        for row, error in found.broken.items()
    ]
    return {
        "table": table_digest(paths),
        "model": found.model.origin(),
        "folder": str(found.folder.absolute()),
        **({"skipped": skipped} if skipped else {}),
    }
