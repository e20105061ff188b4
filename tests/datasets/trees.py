"""Small trees of images, as the readers find them on disk."""

from collections.abc import Iterable
from pathlib import Path

from PIL import Image


def write_images(root: Path, names: Iterable[str]) -> Path:
    """Write a small image of a colour of its own for each name; return root."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = tuple(sum(name.encode()) * factor % 256 for factor in (1, 3, 7))
        Image.new("RGB", (8, 16), colour).save(path, "JPEG")
    return root


def rows_of(table) -> list[tuple[str, int, int]]:
    """Return path, pid and camid of each row of a table."""
    return list(zip(table.paths, table.pids.tolist(), table.camids.tolist(), strict=True))
