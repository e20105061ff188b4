"""What is said of comparisons, and of revisions, that cannot be had as asked."""

from collections.abc import Iterable
from pathlib import Path

from pplr.errors import DataError, MissingInputError, SettingError
from pplr.settings.reading import nearest


def other_images(a: Path, b: Path) -> DataError:
    """Return the error for two runs whose rows are not the same images."""
    return DataError(
        what="The two runs have other training images.",
        where=f"{a} and {b}",
        value="two tables of images",
        allowed="runs of the same images in the same order",
        next_step="compare runs of one data set, with the same `dataset` and `demo_*` settings",
    )


def no_repository(root: Path, revision: str) -> MissingInputError:
    """Return the error for a revision of something that is not in git and DVC."""
    return MissingInputError(
        what="Only a repository of git and DVC has revisions.",
        where=str(root.absolute()),
        value=f"no such repository, to look up {revision}",
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


def alternation_of_page(text: str) -> SettingError:
    """Return the error for a page that is to compare with one alternation."""
    return SettingError(
        what="The page compares whole runs, each alternation with the same of the other.",
        where="--compare",
        value=text,
        allowed="a folder, a revision or an experiment",
        next_step="name it without an alternation; `pplr compare A:03 B:05` compares two",
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
