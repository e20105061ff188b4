"""What is said of runs that cannot be looked at as asked."""

from collections.abc import Iterable
from pathlib import Path

from pplr.errors import DataError, MissingInputError, SettingError
from pplr.settings.reading import nearest
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


def other_images(a: Path, b: Path) -> DataError:
    """Return the error for two runs whose rows are not the same images."""
    return DataError(
        what="The two runs have other training images.",
        where=f"{a} and {b}",
        value="two tables of images",
        allowed="runs of the same images in the same order",
        next_step="compare runs of one data set, with the same `dataset` and `demo_*` settings",
    )


def no_repository(root: Path) -> MissingInputError:
    """Return the error for a revision of something that is not in git and DVC."""
    return MissingInputError(
        what="Only a repository of git and DVC has revisions.",
        where=str(root.absolute()),
        value="no such repository",
        allowed="the root of the repository that holds the run",
        next_step="change to it, or name a folder that holds a run",
    )


def unknown_revision(revision: str, root: Path) -> MissingInputError:
    """Return the error for a name that neither git nor DVC knows."""
    return MissingInputError(
        what="There is no such revision.",
        where=str(root.absolute()),
        value=revision,
        allowed="a branch, tag or commit of git, or the name of an experiment of DVC's",
        next_step="`git log` and `dvc exp list --all-commits` show what there is",
    )


def revision_without_run(revision: str, root: Path, name: str) -> MissingInputError:
    """Return the error for a revision that has no run."""
    return MissingInputError(
        what="This revision holds no run.",
        where=f"{root.absolute()}, revision {revision}",
        value=f"no {name}",
        allowed="a revision with params.yaml, schedule.yaml and dvc.lock",
        next_step="name one that was committed after `dvc repro`",
    )


def nothing_cached(revision: str, cache: Path) -> MissingInputError:
    """Return the error for a revision of which DVC's cache holds nothing."""
    return MissingInputError(
        what="DVC's cache holds no output of this revision.",
        where=str(cache),
        value=revision,
        allowed="a revision that was run here, or fetched",
        next_step="fetch it: `dvc fetch --all-commits`, or `dvc exp pull REMOTE NAME` for an "
        "experiment",
    )


def alternation_and_run(a: str, b: str) -> SettingError:
    """Return the error for a comparison of an alternation with a whole run."""
    return SettingError(
        what="An alternation cannot be compared with a run.",
        where="A and B",
        value=f"{a} and {b}",
        allowed="two runs, or two alternations",
        next_step="name an alternation of both, as `HEAD:03 .:03`",
    )


def unknown_word(word: str, known: Iterable[str], *, kind: str, where: str) -> SettingError:
    """Return the error for a word of the command line that is none of those known."""
    near = nearest(word, known)
    return SettingError(
        what=f"There is no such {kind}.",
        where=where,
        value=word,
        allowed=" | ".join(known),
        next_step=f"did you mean `{near}`?" if near else "use one of these",
    )


def no_tolerance(name: str, value: object, *, where: str) -> SettingError:
    """Return the error for a tolerance that is no number."""
    return SettingError(
        what=f"The tolerance of `{name}` is no number.",
        where=where,
        value=value,
        allowed="a number from 0 on",
        next_step=f"write it as `{name}=0.001`, or `{name}: 0.001` in a file",
    )


def no_tolerances(file: Path) -> MissingInputError:
    """Return the error for a file of tolerances that is not there."""
    return MissingInputError(
        what="The file of tolerances is missing.",
        where=str(file),
        value="no such file",
        allowed="a YAML file with lines of the form `measure: value`",
        next_step="name another one, or use --tolerance",
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
