"""Image files below a data folder: which there are, and opening one."""

import contextlib
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
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
from pplr.datasets.pixels import to_rgb
from pplr.errors import PplrError

SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".png", ".bmp", ".gif", ".tif", ".tiff"),
    *(".webp", ".avif", ".ppm", ".pgm", ".pbm", ".pnm"),
}
# Pillow goes by a file's content. All its formats would do more than decode: EPS starts a program.
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF")
# What a system puts beside the files of people: previews and settings of its own
SYSTEM_NAMES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir", "__macosx"}
MAX_PIXELS = 64 * 2**20  # of one image; a few bytes can claim to be any number of them


def make_table(
    root: Path,
    rows: Iterable[tuple[str, int, int]],
    *,
    where: Path,
    passed_over: Mapping[str, int] | None = None,
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
        passed_over=passed_over or {},
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


def entries(folder: Path) -> list[Path]:
    """Return what is in a folder by name, without hidden files and those of the system."""
    return sorted(path for path in folder.iterdir() if not _is_hidden(path.name))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def find_images(files: Iterable[Path]) -> tuple[list[Path], Counter[str]]:
    """Return the images among files, and how many others there are of each suffix."""
    images = []
    passed_over: Counter[str] = Counter()
    for file in files:
        if is_image(file):
            images.append(file)
        elif not file.is_dir():
            passed_over[file.suffix.lower()] += 1
    return images, passed_over


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
    """Return an image file's content in RGB, as `to_rgb`, turned as its EXIF tag says.

    A picture that a phone stores on its side is turned as every viewer turns it; the field's
    official code does not, and no image of Market-1501 has such a tag. Of several frames or pages
    it is the first.

    Raises
    ------
    DataError
        The file cannot be decoded, claims to have more than `MAX_PIXELS`, or to hold numbers of
        unknown range.
    OSError
        The system refuses it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tags that are not read, and without the path
            # not by path: Pillow maps such a file with the wrong width where a TIFF is to be turned
            with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    size = f"{image.width} × {image.height} pixels, more than {MAX_PIXELS}"
                    raise too_many_pixels(path, size, MAX_PIXELS)
                image.load()
                with contextlib.suppress(Exception):  # tags that cannot be read turn nothing
                    ImageOps.exif_transpose(image, in_place=True)
                return to_rgb(image, path)
    except PplrError:
        raise
    except OSError as error:
        if error.errno:  # the system refuses the file, which says nothing of what is in it
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise undecodable(path, error, FORMATS) from error
    except Image.DecompressionBombError as error:  # far more, which Pillow does not open itself
        raise too_many_pixels(path, str(error), MAX_PIXELS) from error
    # Besides that, Pillow's decoders let through whatever their parsing of broken bytes runs
    # into: SyntaxError, struct.error, IndexError, OverflowError, …
    except Exception as error:
        raise undecodable(path, error, FORMATS) from error
