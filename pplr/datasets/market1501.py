"""Reader of the Market-1501 layout: three folders of images named after person and camera."""

import re
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pplr.datasets.table import ImageTable
from pplr.errors import DataError, MissingInputError

FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
SUFFIXES = {".jpg", ".jpeg", ".png"}
# The folder that the published archive unpacks to.
ARCHIVE_FOLDER = "Market-1501-v15.09.15"

# PPPP_cCsS_FFFFFF_BB: person, camera, sequence, frame, box. One file of the real set ends in
# .jpg.jpg, so what follows the box is free.
_NAME = re.compile(r"(-1|[0-9]{4})_c([1-9][0-9]?)s[0-9]+_[0-9]{6}_[0-9]{2}\..*")
_JUNK = -1
_WITHDRAWN = re.compile(r"duke[-_ ]?mtmc", re.IGNORECASE)
_NUM_SHOWN = 5


def read_market1501(root: Path) -> dict[str, ImageTable]:
    """Return the tables of Market-1501, or of any data set in its layout.

    Junk images (person -1, boxes too poor to judge) are left out; distractors (person 0000) stay,
    with pid 0. Other files than .jpg, .jpeg and .png, and hidden ones, are passed over.

    Parameters
    ----------
    root
        The folder that holds bounding_box_train, query and bounding_box_test.

    Returns
    -------
    dict[str, ImageTable]
        `train`, `query` and `gallery`; rows by path, paths relative to root, camids zero-based.

    Raises
    ------
    MissingInputError
        If root or one of its three folders is missing or holds no image but junk.
    DataError
        If a file's name does not tell person and camera, or root is DukeMTMC; from a table's
        `open_image`, if the image cannot be decoded.
    """
    _refuse_withdrawn(root)
    return {split: _read_folder(root, folder) for split, folder in FOLDERS.items()}


def _read_folder(root: Path, folder: str) -> ImageTable:
    """Return the table of one folder."""
    if not (root / folder).is_dir():
        raise _missing(root, folder, "There is no such folder of images.")
    names = _image_names(root / folder)
    matches = [_NAME.fullmatch(name) for name in names]
    unread = [name for name, match in zip(names, matches, strict=True) if match is None]
    if unread:
        raise _unread_names(root / folder, unread)
    people = [(name, int(m[1]), int(m[2]) - 1) for name, m in zip(names, matches, strict=True) if m]
    kept = [person for person in people if person[1] != _JUNK]
    if not kept:
        kind = "only junk images (-1_…)" if names else "no images"
        raise _missing(root, folder, f"The folder holds {kind}.")
    paths, pids, camids = zip(*kept, strict=True)
    paths = tuple(f"{folder}/{name}" for name in paths)
    return ImageTable(
        paths=paths,
        pids=np.array(pids, np.int32),
        camids=np.array(camids, np.int32),
        open_image=partial(_open_row, root, paths),
    )


def _image_names(folder: Path) -> list[str]:
    """Return the names of the images in a folder, sorted."""
    return sorted(
        file.name
        for file in folder.iterdir()
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()
    )


def _open_row(root: Path, paths: tuple[str, ...], row: int) -> Image.Image:
    """Return the image of a row, upright and in RGB. Not a closure, so that it can be pickled."""
    return _open_rgb(root / paths[row])


def _open_rgb(path: Path) -> Image.Image:
    """Return an image file's content, turned as its EXIF tag says, in RGB."""
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    # Besides OSError, Pillow's decoders let through what their parsing of broken bytes runs into.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        what = "An image cannot be decoded."
        raise DataError(
            what,
            where=str(path),
            value=str(error),
            allowed="a whole image file that Pillow reads",
            next_step="copy the file anew from the data set, or delete it",
        ) from error


def _unread_names(folder: Path, names: list[str]) -> DataError:
    """Return the error for file names that do not tell person and camera."""
    more = ", …" if len(names) > _NUM_SHOWN else ""
    return DataError(
        f"{len(names)} file name(s) do not tell person and camera.",
        where=str(folder),
        value=", ".join(names[:_NUM_SHOWN]) + more,
        allowed="PPPP_cCsS_FFFFFF_BB.jpg, such as 0002_c1s1_000451_03.jpg; PPPP is -1 for junk",
        next_step="rename or move these files, or choose the dataset that names its files so",
    )


def _missing(root: Path, folder: str, what: str) -> MissingInputError:
    """Return the error for a folder without usable images, which says what is there instead."""
    wanted = root / folder
    there = next(path for path in (wanted, *wanted.absolute().parents) if path.is_dir())
    names = sorted(entry.name for entry in there.iterdir())
    held = ", ".join(names[:_NUM_SHOWN]) or "nothing"
    more = f", … ({len(names)} in all)" if len(names) > _NUM_SHOWN else ""
    if (root / ARCHIVE_FOLDER).is_dir():
        next_step = f"did you mean {root / ARCHIVE_FOLDER}?"
    else:
        next_step = "give the folder that holds " + ", ".join(FOLDERS.values())
    return MissingInputError(
        what,
        where=str(wanted),
        value=f"{there} holds {held}{more}",
        allowed="a folder of images named PPPP_cCsS_FFFFFF_BB.jpg",
        next_step=next_step,
    )


def _refuse_withdrawn(root: Path) -> None:
    """Raise for DukeMTMC, whose people never agreed to being recorded."""
    names = (*root.parts, *root.resolve().parts)
    if any(_WITHDRAWN.search(name) for name in names):
        what = "DukeMTMC is not read: it was withdrawn, for its people had not agreed to be in it."
        raise DataError(
            what,
            where="the data folder",
            value=str(root),
            allowed="Market-1501 or another data set in its layout",
            next_step="choose another data set; if this one is not DukeMTMC, rename its folder",
        )
