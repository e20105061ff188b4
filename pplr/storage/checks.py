"""What is said of files that cannot be used."""

from pathlib import Path

from pplr.errors import DataError, MissingInputError


def damaged(name: str, path: Path, *, problem: str) -> DataError:
    """Return the error for an array or file that cannot be read."""
    return DataError(
        what=f"`{name}` cannot be read.",
        where=str(path),
        value=problem,
        allowed="what a stage of the pipeline wrote",
        next_step="remove it and run `dvc repro`, which fetches or makes it anew",
    )


def incomplete(name: str, path: Path) -> DataError:
    """Return the error for an array a chunk of which is not there."""
    return damaged(name, path, problem="a chunk file is missing")


def no_group(path: Path) -> MissingInputError:
    """Return the error for a group of arrays that is not there."""
    return MissingInputError(
        what="A group of arrays is missing.",
        where=str(path),
        value="no Zarr group",
        allowed="a group written by a stage of the pipeline",
        next_step="run `dvc repro`, which makes it",
    )


def check_table(path: Path, table: object, *, wanted: str) -> None:
    """Raise a DataError unless a group belongs to the table of images it should.

    Parameters
    ----------
    path
        The group's folder.
    table, wanted
        `table_digest` that the group carries, and the one that it must carry.
    """
    if table != wanted:
        raise DataError(
            what="The arrays belong to another table of images.",
            where=str(path),
            value=f"table {table}",
            allowed=f"table {wanted}",
            next_step="run `dvc repro`, which makes them anew",
        )
