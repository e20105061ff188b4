"""What is said of files that cannot be used."""

from pathlib import Path

from pplr.errors import DataError, MissingInputError

AGAIN = "remove it and run `dvc repro`, which fetches or makes it anew; see `pplr verify`"


def damaged(name: str, path: Path, problem: str | Exception) -> DataError:
    """Return the error for an array or file that cannot be read."""
    worded = problem if isinstance(problem, str) else f"{type(problem).__name__}: {problem}"
    return DataError(
        what=f"`{name}` cannot be read.",
        where=str(path),
        value=worded,
        allowed="what a stage of the pipeline wrote",
        next_step=AGAIN,
    )


def unfit(name: str, path: Path, *, found: str, allowed: str) -> DataError:
    """Return the error for an array that is there and is not what the layout says."""
    return DataError(
        what=f"`{name}` is not the array that it should be.",
        where=str(path),
        value=found,
        allowed=allowed,
        next_step=AGAIN,
    )


def not_finite(name: str, path: Path, row: int) -> DataError:
    """Return the error for an array that holds NaN or infinite values, in a row first."""
    return DataError(
        what=f"`{name}` holds NaN or infinite values.",
        where=str(path),
        value=f"row {row} is the first such",
        allowed="finite values, as the stages write them",
        next_step=AGAIN,
    )


def missing_file(path: Path) -> MissingInputError:
    """Return the error for a file that is not there."""
    return MissingInputError(
        what="A file of the run is missing.",
        where=str(path),
        value="no such file",
        allowed="what a stage of the pipeline wrote",
        next_step="run `dvc repro`, which makes it",
    )


def missing_group(path: Path) -> MissingInputError:
    """Return the error for a group that is not there."""
    return MissingInputError(
        what="A group of arrays is missing.",
        where=str(path),
        value="no Zarr group",
        allowed="a group written by a stage of the pipeline",
        next_step="run `dvc repro`, which makes it",
    )


def other_table(path: Path, *, found: str, wanted: str) -> DataError:
    """Return the error for a group whose rows are other images."""
    return DataError(
        what="The arrays belong to another table of images.",
        where=str(path),
        value=f"table {found}",
        allowed=f"table {wanted}",
        next_step="run `dvc repro`, which makes them anew",
    )
