"""What is said of runs that cannot be looked at as asked."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pplr.errors import DataError, MissingInputError, SettingError
from pplr.storage.checks import damaged
from pplr.storage.layout import METRICS, RunPaths


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
    name: object, *, kind: str, there: Iterable[str], where: Path, fetched: bool = True
) -> MissingInputError:
    """Return the error for an alternation, a model or a split that is not there.

    Of a revision not all of which is in DVC's cache, it may only not be `fetched`.
    """
    return MissingInputError(
        what=f"There is no such {kind}.",
        where=str(where),
        value=name,
        allowed=" | ".join(there) or "none yet",
        next_step="name one that is there, or run `dvc repro`, which makes what is scheduled"
        if fetched
        else "name one that is there, or fetch the revision: `dvc fetch --all-commits`",
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
        value="no such file, and no images yet",
        allowed="a run whose images are prepared; its history grows from then on",
        next_step="run `dvc repro`, or wait for the one that runs; `dvc pull` if a remote has it",
    )


def not_clustered(name: str, where: Path) -> MissingInputError:
    """Return the error for an alternation that has no pseudo-labels yet."""
    return MissingInputError(
        what=f"There are no clusters of {name} yet.",
        where=str(where),
        value="not on disk",
        allowed="an alternation that is clustered",
        next_step="run `dvc repro`, which makes them, or name another alternation",
    )


def unknown_cluster(cluster: int, num_clusters: int, *, where: Path) -> DataError:
    """Return the error for a pseudo-label that an alternation does not have."""
    return DataError(
        what="There is no such cluster.",
        where=str(where),
        value=cluster,
        allowed=f"0 to {num_clusters - 1}" if num_clusters else "none: all images are outliers",
        next_step="`pplr inspect ALTERNATION` lists clusters",
    )


def unknown_image(text: str, found: int, *, where: Path) -> DataError:
    """Return the error for a path that names no training image, or several."""
    return DataError(
        what="This names no training image." if not found else "This names several images.",
        where=str(where),
        value=text if not found else f"{text}, the end of {found} paths",
        allowed="a row, or the end of one training image's path",
        next_step="`pplr inspect ALTERNATION` shows rows and paths",
    )


def cluster_of_none(cluster: int) -> SettingError:
    """Return the error for a cluster without its alternation."""
    return SettingError(
        what="A cluster is one of an alternation.",
        where="--cluster",
        value=cluster,
        allowed="an alternation and --cluster",
        next_step=f"name the alternation, as `pplr inspect 03 --cluster {cluster}`",
    )


def one_at_a_time() -> SettingError:
    """Return the error for a cluster and an image at once."""
    return SettingError(
        what="A cluster and an image cannot be shown at once.",
        where="--cluster, --image",
        value="both",
        allowed="one of them",
        next_step="leave one out",
    )


def check_training(path: Path, values: Mapping[str, Any]) -> None:
    """Raise a DataError unless a file of losses holds losses and a learning rate, finite."""
    if "lr" not in values:
        raise damaged(path.name, path, "it has no `lr`")
    for key, value in values.items():
        if not (key == "lr" or key.endswith("_loss")) or not _is_number(value):
            raise damaged(path.name, path, f"`{key}` is {value!r}, no finite number of an epoch's")


def check_evaluation(path: Path, values: Mapping[str, Any]) -> None:
    """Raise a DataError unless a file of metrics holds fractions, or null where none is known."""
    for key in (*METRICS, "num_valid_queries"):
        if key not in values:
            raise damaged(path.name, path, f"it has no `{key}`")
    for key, value in values.items():
        highest = 1.0 if key in METRICS else math.inf
        if value is None and key in METRICS:
            continue
        if key not in (*METRICS, "num_valid_queries") or not (
            _is_number(value) and 0 <= value <= highest
        ):
            raise damaged(path.name, path, f"`{key}` is {value!r}, no number of an evaluation's")


def check_table(path: Path, rows: Iterable[Mapping[str | None, Any]]) -> None:
    """Raise a DataError unless rows of a history have a name, and numbers or nothing besides."""
    for line, row in enumerate(rows, start=2):
        if not row.get("alternation") or None in row or None in row.values():
            raise damaged(path.name, path, f"line {line} is no row of a history")
        for key, cell in row.items():
            if key != "alternation" and cell and not _is_number(_parsed(cell)):
                raise damaged(path.name, path, f"line {line}: {key} is {cell[:40]!r}, no number")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _parsed(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan
