"""What is said of runs that cannot be looked at as asked."""

from collections.abc import Iterable
from pathlib import Path

from pplr.errors import DataError, MissingInputError
from pplr.storage.layout import RunPaths


def check_root(folder: Path) -> None:
    """Raise a MissingInputError unless a folder is the root of a repository, which holds dvc.yaml.

    Where a folder above is the root, the error names it.
    """
    pipeline = RunPaths(folder).pipeline
    if pipeline.is_file():
        return
    root = root_above(folder)
    raise MissingInputError(
        what="This is not the root of the repository.",
        where=str(folder.absolute()),
        value=f"no {pipeline.name}",
        allowed=f"the folder of the pipeline, {pipeline.name}",
        next_step=f"cd {root}" if root else "change to the root of the repository",
    )


def root_above(folder: Path) -> Path | None:
    """Return the nearest folder above another one that holds dvc.yaml; None where none does."""
    parents = folder.absolute().parents
    return next((root for root in parents if RunPaths(root).pipeline.is_file()), None)


def check_run(folder: Path) -> None:
    """Raise a MissingInputError unless a folder has the settings of a run."""
    paths = RunPaths(folder)
    missing = [path.name for path in (paths.params, paths.schedule) if not path.is_file()]
    if missing:
        root = root_above(folder)
        raise MissingInputError(
            what="This folder holds no run.",
            where=str(folder),
            value=f"no {' and no '.join(missing)}",
            allowed=f"a folder with {paths.params.name}, {paths.schedule.name} and, once a stage "
            f"has run, {paths.data.name}/",
            next_step=f"open {root}, which is the root of a repository"
            if root
            else "name the root of the repository that holds the run",
        )


def unknown_name(
    name: object, *, kind: str, there: Iterable[str], where: Path
) -> MissingInputError:
    """Return the error for an alternation, a model or a split that is not there."""
    return MissingInputError(
        what=f"There is no such {kind}.",
        where=str(where),
        value=name,
        allowed=" | ".join(there) or "none yet",
        next_step="name one that is there, or run `dvc repro`, which makes what is scheduled",
    )


def unknown_row(row: int, num_images: int, *, where: Path) -> DataError:
    """Return the error for a training image that is not there."""
    return DataError(
        what="There is no such training image.",
        where=str(where),
        value=f"row {row}",
        allowed=f"rows 0 to {num_images - 1}",
        next_step="name a row of `paths`",
    )


def no_part_agreement(path: Path) -> MissingInputError:
    """Return the error for an array that only some settings make."""
    return MissingInputError(
        what="This run has no agreement of the parts with each other.",
        where=str(path),
        value="no `part_agreement`",
        allowed="a run with `part_refinement: parts`",
        next_step="use `cross_agreement`, or `dvc exp run -S part_refinement=parts`",
    )


def no_history(path: Path) -> MissingInputError:
    """Return the error for a repository in which nothing has run."""
    return MissingInputError(
        what="There is no history yet.",
        where=str(path),
        value="no such file",
        allowed="the table that the last stage of the pipeline writes",
        next_step="run `dvc repro`",
    )


def dvc_is_running(root: Path) -> DataError:
    """Return the error for healing while another DVC works in the same repository."""
    return DataError(
        what="Another DVC is running in this repository.",
        where=str(root),
        value="its lock is held",
        allowed="healing while nothing else writes",
        next_step="wait until it has ended, and run `pplr verify --heal` again",
    )
