"""Image files below a data folder: which there are, opening one, and what is refused."""

import os
import re
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pplr.datasets.image_table import ImageTable
from pplr.errors import DataError, MissingInputError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
MAX_PIXELS = 64 * 2**20  # of one image; a few bytes can claim to be any number of them
NUM_SHOWN = 5

_NO_TEXT = re.compile("[\ud800-\udfff]")  # bytes of a file name that are no UTF-8
_WITHDRAWN = re.compile(r"duke[-_ ]?mtmc", re.IGNORECASE)
_WITHDRAWN_NAME = re.compile(r"[0-9]{4}_c[1-8]_f[0-9]{7}\.jpg")


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
        Two rows have one path, a path is no text that UTF-8 can write, or the images are DukeMTMC.
    """
    rows = sorted(rows)
    paths = tuple(path for path, _, _ in rows)
    twice = [path for path, following in pairwise(paths) if path == following]
    if twice:
        raise DataError(
            what=f"{len(twice)} image(s) stand there twice.",
            where=str(where),
            value=shown(twice),
            allowed="each image once in a split",
            next_step="remove one of the two",
        )
    unwritable = [path for path in paths if _NO_TEXT.search(path)]
    if unwritable:
        raise DataError(
            what=f"{len(unwritable)} path(s) are no text.",
            where=str(where),
            value=shown([repr(path) for path in unwritable]),
            allowed="names in UTF-8",
            next_step="rename these files",
        )
    refuse_withdrawn(root, paths)
    return ImageTable(
        paths=paths,
        pids=np.array([pid for _, pid, _ in rows], np.int32),
        camids=np.array([camid for _, _, camid in rows], np.int32),
        open_image=partial(_open_row, root, paths),
        distractor=distractor,
    )


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
        raise DataError(
            what="A link leads nowhere.",
            where=str(path),
            value=f"a link to {path.readlink()}",
            allowed="links to files that are there",
            next_step="remove the link, or bring back the file",
        )
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
                message = f"{image.width} × {image.height} pixels: exceeds limit of {MAX_PIXELS}"
                raise ValueError(message)
            ImageOps.exif_transpose(image, in_place=True)
            return image if image.mode == "RGB" else image.convert("RGB")
    # Besides OSError, Pillow's decoders let through whatever their parsing of broken bytes runs
    # into: SyntaxError, struct.error, IndexError, OverflowError, …
    except Exception as error:
        what = "An image cannot be decoded."
        raise DataError(
            what,
            where=str(path),
            value=" ".join(str(error).split()) or type(error).__name__,
            allowed="a whole image file that Pillow reads",
            next_step="copy the file anew from the data set, or delete it",
        ) from error


def refuse_withdrawn(root: Path, paths: Sequence[str] = ()) -> None:
    """Raise for DukeMTMC, whose people never agreed to being recorded.

    Parameters
    ----------
    root
        The data folder; neither its name nor that of what it links to may be DukeMTMC's.
    paths
        Images below it; not all of them may have DukeMTMC's names, NNNN_cC_fNNNNNNN.jpg.
    """
    names = (*root.parts, *root.resolve().parts, *{path.rpartition("/")[0] for path in paths})
    named_so = paths and all(_WITHDRAWN_NAME.fullmatch(path.rpartition("/")[2]) for path in paths)
    if named_so or any(_WITHDRAWN.search(name) for name in names):
        what = "DukeMTMC is not read: it was withdrawn, for its people had not agreed to be in it."
        raise DataError(
            what,
            where="the data folder",
            value=str(root),
            allowed="another data set",
            next_step="choose another data set; if this one is not DukeMTMC, rename its files",
        )


def shown(values: Sequence[object]) -> str:
    """Return the first few of many values, as text."""
    return ", ".join(map(str, values[:NUM_SHOWN])) + (", …" if len(values) > NUM_SHOWN else "")


def missing(wanted: Path, what: str, *, allowed: str, next_step: str) -> MissingInputError:
    """Return the error for a file or folder that is not there, or not usable; says what is."""
    there = next(path for path in (wanted, *wanted.absolute().parents) if path.is_dir())
    names = sorted(entry.name for entry in there.iterdir())
    held = ", ".join(names[:NUM_SHOWN]) or "nothing"
    more = f", … ({len(names)} in all)" if len(names) > NUM_SHOWN else ""
    return MissingInputError(
        what,
        where=str(wanted),
        value=f"{there} holds {held}{more}",
        allowed=allowed,
        next_step=next_step,
    )


def unread_rows(what: str, where: Path, values: Sequence[object], allowed: str) -> DataError:
    """Return the error for rows or names that cannot be understood: how many, the first few."""
    return DataError(
        what=f"{len(values)} {what}",
        where=str(where),
        value=shown(values),
        allowed=allowed,
        next_step="mend or remove these, or choose the data set that is written so",
    )
