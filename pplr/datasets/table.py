"""Reader of anyone's own data set: a CSV or Parquet table beside the images."""

import os
import re
from pathlib import Path
from typing import Any

from pplr.datasets.checks import (
    absent_of_table,
    check_column,
    check_columns,
    not_one_table,
    nothing_to_train_on,
    unreadable_table,
)
from pplr.datasets.files import absent_files, empty_table, make_table
from pplr.datasets.image_checks import check_not_withdrawn
from pplr.datasets.image_table import UNKNOWN, ImageTable

SPLITS = ("train", "query", "gallery")
REQUIRED, OPTIONAL = ("path", "split"), ("pid", "camid")
SUFFIXES = (".csv", ".parquet")

_NUMBER = re.compile(r"(-1|[0-9]{1,9})(\.0+)?")  # pandas writes 3.0 where other rows are empty


def read_table(root: Path) -> dict[str, ImageTable]:
    """Return the image tables of the data set `table`: the one CSV or Parquet file in a folder.

    Its columns: `path` below the folder; `split`, one of train, query and gallery; and, if known,
    `pid` and `camid`, whole numbers from 0 as they are, empty or -1 where unknown. Other columns
    are passed over. Query and gallery may be missing: then there is nothing to evaluate.

    Raises
    ------
    MissingInputError
        There is not one table, or images that it names are missing.
    DataError
        A column is missing, or a row cannot be used.
    """
    check_not_withdrawn(root)
    file = find_table(root)
    columns = _read_columns(file)
    paths = columns["path"]
    check_column(file, "path", paths, [not path or _leaves(path) for path in paths])
    paths = [os.path.normpath(path) for path in paths]
    splits = columns["split"]
    check_column(file, "split", splits, [split not in SPLITS for split in splits])
    numbers = {name: _numbers(file, name, columns[name]) for name in OPTIONAL}
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
    """Return the one table in a folder."""
    there = root.is_dir()
    files = sorted(file for file in root.iterdir() if file.suffix in SUFFIXES) if there else []
    if len(files) != 1:
        raise not_one_table(root, len(files))
    return files[0]


def _read_columns(file: Path) -> dict[str, list[str]]:
    """Return the columns as text, one that is not there as empty."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv, parquet

    try:
        if file.suffix == ".csv":
            text = {name: pa.string() for name in (*REQUIRED, *OPTIONAL)}
            table = csv.read_csv(file, convert_options=csv.ConvertOptions(column_types=text))
        else:
            table = parquet.read_table(file)
        # a column that stands there twice is a KeyError
        columns: dict[str, Any] = {
            name: pc.cast(table.column(name), pa.string()).to_pylist()
            for name in (*REQUIRED, *OPTIONAL)
            if name in table.column_names
        }
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        raise unreadable_table(file, error) from None
    check_columns(file, table.column_names, required=REQUIRED, optional=OPTIONAL)
    empty = [""] * table.num_rows
    return {
        name: [value or "" for value in columns.get(name, empty)] for name in (*REQUIRED, *OPTIONAL)
    }


def _numbers(file: Path, name: str, values: list[str]) -> list[int]:
    """Return a column of numbers."""
    matches = [_NUMBER.fullmatch(value) for value in values]
    wrong = [bool(value) and not match for value, match in zip(values, matches, strict=True)]
    check_column(file, name, values, wrong)
    return [int(match[1]) if match else UNKNOWN for match in matches]


def _leaves(path: str) -> bool:
    """Return whether a path leads out of the folder it starts from."""
    return path.startswith("/") or os.path.normpath(path).split("/")[0] == ".."
