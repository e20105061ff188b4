"""A split of given pixels, on disk as prepare-data leaves it; and what lies in a folder."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pplr.storage.images import complete_split, create_split

PATHS = ("a/0.jpg", "a/é1.jpg", "b/2.jpg", "b/3.jpg", "b/4.jpg")


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


def files_below(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a folder, by relative path."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def metadata(folder: Path) -> dict[str, Any]:
    """Return what Zarr says of an array or a group."""
    content: dict[str, Any] = json.loads((folder / "zarr.json").read_text())
    return content
