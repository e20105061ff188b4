"""Columns of a CSV or Parquet file, as text."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from pplr.datasets.checks import check_columns, check_width, unreadable_table
from pplr.errors import PplrError

DELIMITERS = ",;\t"


class Columns(NamedTuple):
    """Some columns of a table of N rows.

    Parameters
    ----------
    texts
        (N,) values of each column; empty where there is none.
    places
        (N,) where each row stands in the file, for people.
    """

    texts: dict[str, list[str]]
    places: list[str]


def read_columns(file: Path, *, required: Sequence[str], optional: Sequence[str]) -> Columns:
    """Return the columns that are asked for, whatever else a CSV or Parquet file holds.

    CSV is in UTF-8, its first line names the columns, and values are separated by the comma,
    semicolon or tab that parts the names asked for. Blanks around the names of columns are no
    part of them; rows without any value are passed over.

    Raises
    ------
    DataError
        The file is no such table, or a required column is missing or any stands there twice.
    """
    read = _read_csv if file.suffix.lower() == ".csv" else _read_parquet
    columns = read(file, required, optional)
    empty = [""] * len(columns.places)
    texts = {name: columns.texts.get(name, empty) for name in (*required, *optional)}
    return columns._replace(texts=texts)


def _read_csv(file: Path, required: Sequence[str], optional: Sequence[str]) -> Columns:
    """Return the columns of a CSV file that are there."""
    csv.field_size_limit(2**31 - 1)  # a column that is not asked for may hold anything
    wanted = (*required, *optional)
    places = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = _csv_rows(stream, wanted)
            _, head = next(rows, (1, []))
            names = [name.strip() for name in head]
            check_columns(file, names, required=required, optional=optional)
            found = {name: names.index(name) for name in wanted if name in names}
            texts: dict[str, list[str]] = {name: [] for name in found}
            for line, row in rows:
                check_width(file, line, row, names)
                places.append(f"line {line}")
                for name, column in found.items():
                    texts[name].append(row[column])
    except (csv.Error, OSError, UnicodeDecodeError) as error:
        raise unreadable_table(file, error) from None
    return Columns(texts, places)


def _csv_rows(stream: TextIO, wanted: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line, from 1, and the values of each row that has any."""
    delimiter = _delimiter(stream, wanted)
    stream.seek(0)
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    line = 1
    for row in reader:
        if any(row):
            yield line, row
        line = reader.line_num + 1


def _delimiter(stream: TextIO, wanted: Sequence[str]) -> str:
    """Return what parts the names of columns in the first row that has any."""

    def names(delimiter: str) -> set[str]:
        stream.seek(0)
        head: list[str] = next(filter(any, csv.reader(stream, delimiter=delimiter)), [])
        return {name.strip() for name in head}

    return max(DELIMITERS, key=lambda delimiter: len(names(delimiter) & {*wanted}))


def _read_parquet(file: Path, required: Sequence[str], optional: Sequence[str]) -> Columns:
    """Return the columns of a Parquet file that are there."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # not read_table, which takes a folder named split=train for a column
        with parquet.ParquetFile(file) as table:
            written = table.schema_arrow.names
            names = [name.strip() for name in written]
            check_columns(file, names, required=required, optional=optional)
            N = table.metadata.num_rows
            found = {
                name: written[names.index(name)] for name in (*required, *optional) if name in names
            }
            texts = {
                name: list(map(_text, table.read(columns=[column]).column(column).to_pylist()))
                for name, column in found.items()
            }
    except PplrError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
        raise unreadable_table(file, error) from None
    return Columns(texts, [f"row {row}" for row in range(1, N + 1)])


def _text(value: object) -> str:
    """Return a value as text; none and NaN, a number that nobody knows, are empty."""
    return "" if value is None or value != value else str(value)
