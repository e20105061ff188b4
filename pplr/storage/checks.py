"""What is said of files that cannot be used."""

from pathlib import Path

from pplr.errors import DataError


def damaged(name: str, path: Path, *, problem: str) -> DataError:
    """Return the error for an array or file that cannot be read."""
    return DataError(
        what=f"`{name}` cannot be read.",
        where=str(path),
        value=problem,
        allowed="what a stage of the pipeline wrote",
        next_step="remove it and run `dvc repro`, which fetches or makes it anew",
    )
