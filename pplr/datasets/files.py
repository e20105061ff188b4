"""Image files below a data folder: which there are, and opening one."""

import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageOps

from pplr.datasets.image_checks import (
    check_not_withdrawn,
    check_paths,
    dead_link,
    linked_folder,
    too_many_pixels,
    undecodable,
)
from pplr.datasets.image_table import ImageTable

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
MAX_PIXELS = 64 * 2**20  # of one image; a few bytes can claim to be any number of them


def make_table(
    root: Path,
    rows: Iterable[tuple[str, int, int]],
    *,
    where: Path,
    distractor: int | None = None,
) -> ImageTable:
    """Return the table of images (path below root, pid, camid), sorted by path.

    Raises
    ------
    DataError
        Two rows have one path, a path is no text that UTF-8 can write, a folder on the way to an
        image is a link, or the images are DukeMTMC.
    """
    rows = sorted(rows)
    paths = tuple(path for path, _, _ in rows)
    check_paths(paths, where)
    _check_no_link(root, {path.rpartition("/")[0] for path in paths})
    check_not_withdrawn(root, paths)
    return ImageTable(
        paths=paths,
        pids=np.array([pid for _, pid, _ in rows], np.int32),
        camids=np.array([camid for _, _, camid in rows], np.int32),
        open_image=partial(_open_row, root, paths),
        distractor=distractor,
    )


def _check_no_link(root: Path, folders: Iterable[str]) -> None:
    """Raise a DataError where a folder below root, or one it is in, is a link."""
    lineages = ((PurePosixPath(folder), *PurePosixPath(folder).parents) for folder in folders)
    for folder in sorted(set().union(*lineages)):
        if folder.parts and (root / folder).is_symlink():  # root itself may be a link
            raise linked_folder(root / folder)


def empty_table() -> ImageTable:
    """Return the table of a split without images."""
    none = np.empty(0, np.int32)
    return ImageTable(paths=(), pids=none, camids=none, open_image=partial(_open_row, Path(), ()))


def image_names(folder: Path) -> list[str]:
    """Return the names of the images in a folder, sorted; hidden files are passed over."""
    return [path.name for path in entries(folder) if is_image(path)]


def entries(folder: Path) -> list[Path]:
    """Return what is in a folder by name, without hidden files and folders."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def is_image(path: Path) -> bool:
    """Return whether a file is taken for an image, by its suffix; a dead link is a DataError."""
    if path.suffix.lower() not in SUFFIXES:
        return False
    if path.is_symlink() and not path.exists():
        raise dead_link(path)
    return path.is_file()


def absent_files(root: Path, paths: Iterable[str]) -> list[str]:
    """Return the paths below root at which there is no file."""
    # pathlib takes three times as long
    return [path for path in paths if not os.path.isfile(f"{root}/{path}")]  # noqa: PTH113


def _open_row(root: Path, paths: tuple[str, ...], row: int) -> Image.Image:
    """Return the image of a row, upright and in RGB. Not a closure, so that it can be pickled."""
    return open_rgb(root / paths[row])


def open_rgb(path: Path) -> Image.Image:
    """Return an image file's content, turned as its EXIF tag says, in RGB by Pillow's conversion.

    Raises
    ------
    DataError
        The file cannot be decoded, or claims to have more than `MAX_PIXELS`.
    """
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise too_many_pixels(image.width, image.height, MAX_PIXELS)
            ImageOps.exif_transpose(image, in_place=True)
            return image if image.mode == "RGB" else image.convert("RGB")
    # Besides OSError, Pillow's decoders let through whatever their parsing of broken bytes runs
    # into: SyntaxError, struct.error, IndexError, OverflowError, …
    except Exception as error:
        raise undecodable(path, error) from error
