"""A split of given pixels, on disk as prepare-data leaves it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pplr.storage.images import complete_split, create_split


def write_split(
    path: Path,
    pixels: NDArray[np.uint8],
    *,
    paths: Sequence[str],
    columns: Mapping[str, NDArray[np.int32]] | None = None,
) -> None:
    """Write images (N,H,W,3) with their paths and columns."""
    create_split(path, pixels.shape)[...] = pixels
    complete_split(path, columns=columns or {}, paths=paths)
