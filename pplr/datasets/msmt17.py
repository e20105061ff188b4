"""Reader of the MSMT17 layout, versions 1 and 2 (Wei et al., CVPR 2018)."""

import re
from itertools import chain
from pathlib import Path

from pplr.datasets.checks import (
    absent_of_list,
    empty_list,
    no_image_folder,
    no_list,
    unread_lines,
)
from pplr.datasets.files import absent_files, make_table
from pplr.datasets.image_checks import check_not_withdrawn
from pplr.datasets.image_table import ImageTable

LISTS = {
    "train": ("list_train.txt", "list_val.txt"),
    "query": ("list_query.txt",),
    "gallery": ("list_gallery.txt",),
}
# The folders of the training and of the test images, by version.
VERSIONS = (("train", "test"), ("mask_train_v2", "mask_test_v2"))
ARCHIVES = ("MSMT17_V1", "MSMT17_V2", "MSMT17")

# folder of a person / person, number, camera, time, frame, box; then the person's number
_LINE = re.compile(r"([0-9]+/[0-9]+_[0-9]+_([0-9]{2})_[^\s/]+)\s+([0-9]{1,9})")
_FORM = "PPPP/PPPP_NNN_CC_….jpg PPPP, such as 0000/0000_000_01_0303morning_0015_0.jpg 0"

PUBLISHED = {
    "training images": frozenset({32_621}),
    "query images": frozenset({11_659}),
    "gallery images": frozenset({82_161}),
    "training identities": frozenset({1_041}),
    "query identities": frozenset({3_060}),
    "cameras": frozenset({15}),
}


def read_msmt17(root: Path) -> dict[str, ImageTable]:
    """Return the tables of MSMT17, training and validation images together as `train`.

    Identities of train and of query and gallery are numbered apart: 0 is another person in each.

    Parameters
    ----------
    root
        The folder that holds list_train.txt, list_val.txt, list_query.txt and list_gallery.txt,
        and train and test (version 1) or mask_train_v2 and mask_test_v2 (version 2).

    Raises
    ------
    MissingInputError
        A list, a folder of images, or images that a list names are missing.
    DataError
        A line does not tell image, camera and identity, or an image stands there twice.
    """
    check_not_withdrawn(root)
    folders = next((pair for pair in VERSIONS if (root / pair[0]).is_dir()), None)
    archive = next((root / name for name in ARCHIVES if (root / name).is_dir()), None)
    if folders is None or not (root / folders[1]).is_dir():
        wanted = folders[1] if folders else VERSIONS[0][0]
        raise no_image_folder(root / wanted, VERSIONS, archive)
    return {
        split: _read_lists(root, lists, folders[split != "train"]) for split, lists in LISTS.items()
    }


def _read_lists(root: Path, lists: tuple[str, ...], folder: str) -> ImageTable:
    """Return the table of the images that some lists name."""
    rows = list(chain.from_iterable(_read_list(root, name, folder) for name in lists))
    absent = absent_files(root, (path for path, _, _ in rows))
    if absent:
        raise absent_of_list(root, absent, lists[0])
    return make_table(root, rows, where=root / lists[0])


def _read_list(root: Path, name: str, folder: str) -> list[tuple[str, int, int]]:
    """Return (path, pid, camid) of each line of a list."""
    if not (root / name).is_file():
        raise no_list(root / name, chain.from_iterable(LISTS.values()))
    lines = (root / name).read_text("utf-8-sig", errors="replace").splitlines()
    matches = [(line, _LINE.fullmatch(line.strip())) for line in lines if line.strip()]
    unread = [line for line, match in matches if match is None or match[2] == "00"]
    if unread:
        raise unread_lines(root / name, unread, _FORM)
    if not matches:
        raise empty_list(root / name)
    return [(f"{folder}/{m[1]}", int(m[3]), int(m[2]) - 1) for _, m in matches if m]
