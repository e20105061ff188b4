"""What of images cannot be used, and what is said of it: no stage depends on the words here."""

import re
import shlex
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from PIL import UnidentifiedImageError

from pplr.errors import DataError, PplrError
from pplr.printing import printable

NUM_SHOWN = 5  # of many values
MAX_LISTED = 20  # of broken images

_NO_TEXT = re.compile("[\ud800-\udfff]")  # bytes of a file name that are no UTF-8
_WITHDRAWN = re.compile(r"duke[-_ ]?mtmc", re.IGNORECASE)
_WITHDRAWN_NAME = re.compile(r"[0-9]{4}_c[1-8]_f[0-9]{7}\.jpg")


def shown(values: Sequence[object]) -> str:
    """Return the first few of many values, as text."""
    return ", ".join(map(printable, values[:NUM_SHOWN])) + (
        ", …" if len(values) > NUM_SHOWN else ""
    )


def check_paths(paths: Sequence[str], where: Path) -> None:
    """Raise a DataError where two of a split's sorted paths are equal, or one is no UTF-8."""
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


def check_not_withdrawn(root: Path, paths: Sequence[str] = ()) -> None:
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
        raise DataError(
            what="DukeMTMC is not read: it was withdrawn, for its people had not agreed to be in "
            "it.",
            where="the data folder",
            value=str(root),
            allowed="another data set",
            next_step="choose another data set; if this one is not DukeMTMC, rename its files",
        )


def too_many_pixels(path: Path, found: str, most: int) -> DataError:
    """Return the error for an image that claims to be so large, which is not decoded."""
    return DataError(
        what="An image is too large.",
        where=str(path),
        value=found,
        allowed=f"at most {most} pixels",
        next_step="make it smaller, cut it into images of one person each, or delete it",
    )


def unknown_range(path: Path, mode: str) -> DataError:
    """Return the error for an image of numbers of which nothing says what is white.

    Parameters
    ----------
    path
        Its file.
    mode
        Pillow's mode of it.
    """
    kind = "floating-point numbers" if mode == "F" else "whole numbers of 32 bits, or signed ones"
    return DataError(
        what="An image's values have no known range.",
        where=str(path),
        value=f"{kind}, of unknown range (Pillow's mode {mode})",
        allowed="8 bits, or grey of 16 bits from 0 (black) to 65535 (white)",
        next_step="convert the file to 8 or 16 bits by the range that you know its values have",
    )


def undecodable(path: Path, error: Exception, formats: Sequence[str]) -> DataError:
    """Return the error for an image file that cannot be decoded, for whatever reason."""
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, UnidentifiedImageError):
        reason = "no image by its content" if path.stat().st_size else "an empty file"
    return DataError(
        what="An image cannot be decoded.",
        where=str(path),
        value=reason,
        allowed=f"a whole file of {', '.join(formats)}",
        next_step="copy the file anew, or delete it",
    )


def dead_link(path: Path) -> DataError:
    """Return the error for a link to a file that is not there."""
    return DataError(
        what="A link leads nowhere.",
        where=str(path),
        value=f"a link to {path.readlink()}",
        allowed="links to files that are there",
        next_step="remove the link, or bring back the file",
    )


def linked_folder(path: Path) -> DataError:
    """Return the error for a link to a folder: DVC would not notice what changes behind it."""
    target = path.resolve()
    link, folder = shlex.quote(str(path)), shlex.quote(str(target))
    advice = f"put a folder of links to its files there: rm {link} && cp -rs {folder} {link}"
    if path.parent.resolve().is_relative_to(target):  # the copy would lie in what is copied
        advice = f"remove the link, which leads back into a folder that holds it: rm {link}"
    return DataError(
        what="A folder of images is a link, behind which DVC would not notice a change.",
        where=str(path),
        value=f"a link to {target}",
        allowed="folders that are none, or the data folder itself; links to files",
        next_step=advice,
    )


def first_of(errors: Sequence[PplrError]) -> str:
    """Return the first `MAX_LISTED` of the errors of images, a line each, and how many are left."""
    names = [printable(f"{error.where}: {error.value}") for error in errors[:MAX_LISTED]]
    if len(errors) > MAX_LISTED:
        names.append(f"and {len(errors) - MAX_LISTED} more")
    return "\n           ".join(names)


def check_decoded(
    broken: Mapping[str, Sequence[PplrError]], num_images: Mapping[str, int], *, skip: bool
) -> None:
    """Raise one DataError that names the first of the broken images, or print so.

    Parameters
    ----------
    broken
        The errors of all images that could not be decoded, by split.
    num_images
        How many images each split has. One of broken images alone cannot be skipped.
    skip
        Whether broken images are left out, and only told.
    """
    errors = [error for of_split in broken.values() for error in of_split]
    if not errors:
        return
    emptied = [
        split for split, of_split in broken.items() if len(of_split) == num_images[split] > 0
    ]
    listed = first_of(errors)
    if skip and not emptied:
        print(f"left out: {len(errors)} images that cannot be decoded\n           {listed}")
        return
    if emptied:
        what = f"No image of {' and '.join(emptied)} can be decoded."
        next_step = "replace these files; `skip_broken` does not leave out a whole split"
    else:
        count = "An image" if len(errors) == 1 else f"{len(errors)} images"
        what = f"{count} cannot be decoded."
        next_step = "replace or remove what is named, or set `skip_broken: true`"
    raise DataError(
        what=what,
        where="the folder of the images",
        value=listed,
        allowed="images that Pillow can open",
        next_step=next_step,
    )
