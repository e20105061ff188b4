"""What is said of files that cannot be used."""

from pathlib import Path

from pplr.errors import DataError, MissingInputError, NoRoomError

UNITS = ("bytes", "kB", "MB", "GB", "TB")
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


def no_room(path: Path, needed: int, free: int, *, refusal: str = "") -> NoRoomError:
    """Return the error for an output that does not fit on its disk.

    Parameters
    ----------
    path
        The output.
    needed
        Bytes that it needs in all.
    free
        Bytes that are free, where nothing of it is written.
    refusal
        What the system has said in the middle of writing; empty where nothing has begun.
    """
    found = f"{in_words(free)} free, {in_words(needed)} needed"
    # a share of a user's or a number of files may be used up as well, which nobody can ask for
    found += f": {in_words(needed - free)} missing" if needed > free else f": {refusal}"
    return NoRoomError(
        what="There is no room on the disk for what is to be written.",
        where=str(path),
        value=found,
        allowed="room for it, for DVC's copy of what is a run's, and for small files",
        next_step="make room and run it again, `dvc repro` goes on; `dvc checkout --relink` "
        "removes DVC's second copies, `dvc gc -w` what no file needs any more",
    )


def in_words(num_bytes: int) -> str:
    """Return a size on disk, as `4.8 GB`."""
    size, power = float(num_bytes), 0
    while size >= 999.5 and power < len(UNITS) - 1:
        size, power = size / 1000, power + 1
    return f"{size:.{1 if power and size < 9.95 else 0}f} {UNITS[power]}"
