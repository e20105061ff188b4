"""A run on disk as one object, read-only."""

import atexit
import operator
from collections.abc import Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pplr.errors import MissingInputError
from pplr.runs.checks import check_run, unknown_name
from pplr.runs.history import Row, history_rows
from pplr.runs.pieces import Alternation, Model, Split
from pplr.runs.progress import how_far
from pplr.runs.revision import link_revision
from pplr.runs.rows import ImageRow, read_row
from pplr.settings.params import Params, load_params
from pplr.settings.schedule import INIT, Schedule, load_schedule
from pplr.storage.json_files import read_json
from pplr.storage.layout import SPLITS, RunPaths


def open_run(path: str | PathLike[str] = ".", *, revision: str | None = None) -> "Run":
    """Return the run in a folder: the root of a repository, in which stages have run or run now.

    Nothing but the names of files is looked at; everything is read when it is asked for.

    Parameters
    ----------
    path
        The folder.
    revision
        A revision of git or an experiment of DVC: its run is opened from DVC's cache, without a
        checkout.

    Raises
    ------
    MissingInputError
        The folder or the revision holds no run, or there is no such revision.
    """
    if revision is None:
        check_run(Path(path))
        return Run(Path(path).absolute())
    folder = TemporaryDirectory(prefix="pplr-")
    root = Path(folder.name, revision.replace("/", "-").strip(".") or "revision")
    root.mkdir()
    atexit.register(folder.cleanup)  # alternations and arrays outlive the run they came from
    return Run(root, missing=link_revision(Path(path).absolute(), revision, root))


class Run:
    """A run as it lies on disk, finished or in progress; nothing is written.

    What stages write meanwhile is seen when it is asked for; settings and schedule are read once.
    While a run goes on after a change of its settings, later alternations lie on disk as the run
    before left them, until their stages come: `alternations` has them, `history` has none that lie
    behind the stage that runs.

    Parameters
    ----------
    root
        The folder with params.yaml, schedule.yaml and data/.
    missing
        Of a revision: the outputs that DVC's cache does not hold, which are as if not made.
    """

    def __init__(self, root: Path, *, missing: Sequence[str] = ()):
        self.paths = RunPaths(root)
        self.missing = tuple(missing)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.paths.root)!r})"

    @cached_property
    def settings(self) -> Params:
        """The settings of params.yaml, as they are now."""
        return load_params(self.paths.params)

    @cached_property
    def schedule(self) -> Schedule:
        """The schedule of schedule.yaml, as it is now."""
        return load_schedule(self.paths.schedule)

    @property
    def alternations(self) -> tuple[str, ...]:
        """The names of the alternations that have something on disk, in their order."""
        names = self.schedule.alternations
        return tuple(name for name in names if Alternation(self.paths, name).there)

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models on disk, in their order."""
        names = (INIT, *self.schedule.alternations)
        return tuple(name for name in names if self.paths.model(name).is_dir())

    def alternation(self, name: str) -> Alternation:
        """Return an alternation that has something on disk.

        Raises
        ------
        MissingInputError
            There is none of that name, or nothing of it yet.
        """
        there = self.alternations
        if name not in there:
            raise self._unknown(name, "alternation", there)
        return Alternation(self.paths, name)

    def split(self, name: str) -> Split:
        """Return the images of `train`, `query` or `gallery`."""
        if name not in SPLITS:
            raise unknown_name(name, kind="split", there=SPLITS, where=self.paths.dataset)
        return Split(self.paths.split(name))

    def model(self, name: str) -> Model:
        """Return the model `init`, or the one after an alternation."""
        there = self.models
        if name not in there:
            raise self._unknown(name, "model", there)
        return Model(name, self.paths.model(name))

    def _unknown(self, name: str, kind: str, there: Sequence[str]) -> MissingInputError:
        root, fetched = self.paths.root, not self.missing
        return unknown_name(name, kind=kind, there=there, where=root, fetched=fetched)

    @property
    def timing(self) -> dict[str, dict[str, dict[str, Any]]]:
        """How long stages took: by stage and by alternation, model or `all`; seconds and more."""
        timing: dict[str, dict[str, dict[str, Any]]] = {}
        for path in sorted(self.paths.timings.glob("*/*.json")):
            timing.setdefault(path.parent.name, {})[path.stem] = read_json(path)
        return timing

    def history(self) -> list[Row]:
        """Return a row for init and one for each alternation, as far as the run is.

        A row lacks the columns of what is not done yet; see `history_rows`.
        """
        return history_rows(self.paths, self.schedule)

    def how_far(self) -> str | None:
        """Return in words how far the run is; None once it is finished."""
        return how_far(self.paths, self.schedule, self.history())

    def row(self, i: int) -> ImageRow:
        """Return a training image with its labels and neighbours in every alternation on disk.

        Raises
        ------
        DataError
            There is no such row; or an array is damaged, or belongs to other images.
        """
        alternations = [Alternation(self.paths, name) for name in self.alternations]
        return read_row(self.split("train"), alternations, operator.index(i))
