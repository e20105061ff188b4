"""Reader of anyone's own data set: a CSV or Parquet table beside the images."""

import os
import re
from pathlib import Path

from pplr.datasets.checks import (
    absent_of_table,
    check_column,
    not_one_table,
    nothing_to_train_on,
)
from pplr.datasets.columns import Columns, read_columns
from pplr.datasets.files import absent_files, empty_table, entries, make_table
from pplr.datasets.image_checks import check_not_withdrawn
from pplr.datasets.image_table import UNKNOWN, ImageTable
from pplr.storage.layout import SPLITS

REQUIRED, OPTIONAL = ("path", "split"), ("pid", "camid")
SUFFIXES = (".csv", ".parquet")

_NUMBER = re.compile(r"(-1|[0-9]{1,9})(\.0+)?")  # pandas writes 3.0 where other rows are empty


def read_table(root: Path) -> dict[str, ImageTable]:
    """Return the image tables of the data set `table`: the one CSV or Parquet file in a folder.

    Its columns: `path` below the folder; `split`, one of train, query and gallery; and, if known,
    `pid` and `camid`, whole numbers from 0 as they are, empty or -1 where unknown. Other columns
    are passed over, whatever they hold. Query and gallery may be missing: then there is nothing to
    evaluate.

    Raises
    ------
    MissingInputError
        There is not one table, or images that it names are missing.
    DataError
        A column is missing, or a row cannot be used.
    """
    check_not_withdrawn(root)
    file = find_table(root)
    columns = read_columns(file, required=REQUIRED, optional=OPTIONAL)
    paths = [_as_it_stands(root, path) for path in columns.texts["path"]]
    wrong = [not path or _leaves(path) for path in paths]
    check_column(file, "path", paths, columns.places, wrong=wrong)
    paths = [os.path.normpath(path) for path in paths]
    splits = [split.strip() for split in columns.texts["split"]]
    wrong = [split not in SPLITS for split in splits]
    check_column(file, "split", splits, columns.places, wrong=wrong)
    numbers = {name: _numbers(file, name, columns) for name in OPTIONAL}
    absent = absent_files(root, paths)
    if absent:
        raise absent_of_table(root, absent, file.name)
    rows = list(zip(paths, numbers["pid"], numbers["camid"], strict=True))
    tables = {}
    for split in SPLITS:
        own = [row for row, name in zip(rows, splits, strict=True) if name == split]
        tables[split] = make_table(root, own, where=file) if own else empty_table()
    if not len(tables["train"]):
        raise nothing_to_train_on(file)
    return tables


def find_table(root: Path) -> Path:
    """Return the one table in a folder; hidden files are none."""
    there = root.is_dir()
    files = [file for file in entries(root) if _is_table(file)] if there else []
    if len(files) != 1:
        raise not_one_table(root, files)
    return files[0]


def _is_table(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and file.is_file()


def _as_it_stands(root: Path, path: str) -> str:
    """Return a path without blanks around it, unless there is a file with them."""
    return path if path == path.strip() or (root / path).is_file() else path.strip()


def _numbers(file: Path, name: str, columns: Columns) -> list[int]:
    """Return a column of numbers."""
    texts = [text.strip() for text in columns.texts[name]]
    matches = [_NUMBER.fullmatch(text) for text in texts]
    wrong = [bool(text) and not match for text, match in zip(texts, matches, strict=True)]
    check_column(file, name, texts, columns.places, wrong=wrong)
    return [int(match[1]) if match else UNKNOWN for match in matches]


def _leaves(path: str) -> bool:
    """Return whether a path leads out of the folder it starts from."""
    return path.startswith("/") or os.path.normpath(path).split("/")[0] == ".."
