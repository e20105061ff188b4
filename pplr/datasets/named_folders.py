"""Layouts of three folders, in which an image's name tells its identity and its camera."""

import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pplr.datasets.checks import unread_names, unusable_folder
from pplr.datasets.files import entries, find_images, make_table
from pplr.datasets.image_checks import check_not_withdrawn
from pplr.datasets.image_table import ImageTable


@dataclass(frozen=True)
class NamedFolders:
    """What tells one such layout from another.

    Parameters
    ----------
    folders
        The folder of each split.
    name
        Of an image file: group 1 is the identity, group 2 the camera, which counts from 1.
    form
        The same for people to read.
    archive
        The folder that the published archive unpacks to.
    distractor
        The pid of distractors in the gallery, unless a query has it: then it is a person as any
        other. None where there are none.
    junk
        The pid of images too poor to judge, which are left out; None where there are none.
    """

    folders: dict[str, str]
    name: re.Pattern[str]
    form: str
    archive: str
    distractor: int | None = None
    junk: int | None = None


def read_named_folders(root: Path, layout: NamedFolders) -> dict[str, ImageTable]:
    """Return the tables `train`, `query` and `gallery`; rows by path, paths relative to root.

    Files that are no images by their suffix, and hidden ones, are passed over.

    Raises
    ------
    MissingInputError
        If root or one of its folders is missing or holds no image but junk.
    DataError
        If a file's name does not tell identity and camera, or root is DukeMTMC; from a table's
        `open_image`, if the image cannot be decoded.
    """
    check_not_withdrawn(root)
    tables = {split: _read_folder(root, name, layout) for split, name in layout.folders.items()}
    if layout.distractor not in tables["query"].pids:
        tables["gallery"] = replace(tables["gallery"], distractor=layout.distractor)
    return tables


def _read_folder(root: Path, folder: str, layout: NamedFolders) -> ImageTable:
    """Return the table of one folder."""
    unusable = partial(
        unusable_folder,
        root / folder,
        layout.form,
        archive=root / layout.archive,
        folders=layout.folders.values(),
    )
    if not (root / folder).is_dir():
        raise unusable()
    images, passed_over = find_images(entries(root / folder))
    names = [path.name for path in images]
    check_not_withdrawn(root, names)
    matches = [(name, layout.name.fullmatch(name)) for name in names]
    unread = [name for name, match in matches if match is None]
    if unread:
        raise unread_names(root / folder, unread, layout.form)
    rows = [(f"{folder}/{name}", int(m[1]), int(m[2]) - 1) for name, m in matches if m]
    kept = [row for row in rows if row[1] != layout.junk]
    if not kept:
        raise unusable(junk=layout.junk if names else None)
    return make_table(root, kept, where=root / folder, passed_over=passed_over)
