"""Reader of anyone's own data set: a CSV or Parquet table beside the images."""

import os
import re
from pathlib import Path
from typing import Any

from pplr.datasets.files import (
    absent_files,
    empty_table,
    make_table,
    missing,
    refuse_withdrawn,
    unread_rows,
)
from pplr.datasets.image_table import UNKNOWN, ImageTable
from pplr.errors import DataError

SPLITS = ("train", "query", "gallery")
REQUIRED, OPTIONAL = ("path", "split"), ("pid", "camid")
SUFFIXES = (".csv", ".parquet")

_NUMBER = re.compile(r"(-1|[0-9]{1,9})(\.0+)?")  # pandas writes 3.0 where other rows are empty


def read_listed(root: Path) -> dict[str, ImageTable]:
    """Return the tables of the one CSV or Parquet file in a folder.

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
    refuse_withdrawn(root)
    file = find_table(root)
    columns = _read_columns(file)
    paths = columns["path"]
    _refuse(file, paths, [not path or _leaves(path) for path in paths], "path", "below the folder")
    paths = [os.path.normpath(path) for path in paths]
    splits = columns["split"]
    _refuse(file, splits, [split not in SPLITS for split in splits], "split", " | ".join(SPLITS))
    numbers = {name: _numbers(file, name, columns[name]) for name in OPTIONAL}
    absent = absent_files(root, paths)
    if absent:
        raise missing(
            root / absent[0],
            f"{len(absent)} image(s) of {file.name} are missing.",
            allowed="every image that the table names, at its path below the table's folder",
            next_step="mend the paths, or move the table to the folder they start from",
        )
    rows = list(zip(paths, numbers["pid"], numbers["camid"], strict=True))
    tables = {}
    for split in SPLITS:
        own = [row for row, name in zip(rows, splits, strict=True) if name == split]
        tables[split] = make_table(root, own, where=file) if own else empty_table()
    if not len(tables["train"]):
        raise unread_rows(
            what="images are of the split train.",
            where=file,
            values=[],
            allowed="some images to train on",
        )
    return tables


def find_table(root: Path) -> Path:
    """Return the one table in a folder."""
    if root.is_file():
        raise missing(
            root,
            "This is a file.",
            allowed="the folder of the table, which the paths of the images start from",
            next_step=f"--data-dir {root.parent}",
        )
    there = root.is_dir()
    files = sorted(file for file in root.iterdir() if file.suffix in SUFFIXES) if there else []
    if len(files) != 1:
        raise missing(
            root,
            f"There are {len(files)} tables in the folder."
            if there
            else "There is no such folder.",
            allowed="a folder with one .csv or .parquet file, whose paths start there",
            next_step="give the folder of the table with --data-dir; keep other tables elsewhere",
        )
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
        raise DataError(
            what="The table cannot be read.",
            where=str(file),
            value=" ".join(str(error).split()),
            allowed="a CSV file with a line of column names, in UTF-8, or a Parquet file",
            next_step="write the file anew",
        ) from None
    absent = [name for name in REQUIRED if name not in columns]
    if absent:
        raise DataError(
            what=f"The table has no column {' and no column '.join(absent)}.",
            where=str(file),
            value=", ".join(table.column_names),
            allowed=f"the columns {', '.join(REQUIRED)} and, if known, {', '.join(OPTIONAL)}",
            next_step="name the columns so",
        )
    empty = [""] * table.num_rows
    return {
        name: [value or "" for value in columns.get(name, empty)] for name in (*REQUIRED, *OPTIONAL)
    }


def _numbers(file: Path, name: str, values: list[str]) -> list[int]:
    """Return a column of numbers."""
    matches = [_NUMBER.fullmatch(value) for value in values]
    wrong = [bool(value) and not match for value, match in zip(values, matches, strict=True)]
    _refuse(file, values, wrong, name, "a whole number from 0; empty or -1 where unknown")
    return [int(match[1]) if match else UNKNOWN for match in matches]


def _refuse(file: Path, values: list[str], wrong: list[bool], name: str, allowed: str) -> None:
    """Raise a DataError for the rows that are wrong, with their lines in the table."""
    rows = [
        f"row {row}: {value!r}"
        for row, (value, is_wrong) in enumerate(zip(values, wrong, strict=True), start=1)
        if is_wrong
    ]
    if rows:
        what = f"row(s) have a {name} that cannot be used."
        raise unread_rows(what, file, rows, allowed)


def _leaves(path: str) -> bool:
    """Return whether a path leads out of the folder it starts from."""
    return path.startswith("/") or os.path.normpath(path).split("/")[0] == ".."
