"""What the pages read of a run, and keep until its files change."""

import contextlib
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pplr.runs.clusters import ClusterSummary, summarize_clusters
from pplr.runs.inspect import Facts, inspect_run
from pplr.runs.pieces import Alternation, Pictures
from pplr.runs.run import Run
from pplr.settings.schedule import INIT
from pplr.storage.arrays import read_digest
from pplr.storage.checksums import CHECKSUMS, file_checksum
from pplr.storage.layout import GROUPS
from pplr.storage.specs import ARRAYS

_KEPT = 8  # alternations, and as many rankings, that are kept in memory
_OPENED = 1024  # arrays that are kept open, of which nothing is kept but where they lie

Rows = NDArray[np.int64]
Stamp = tuple[int, ...]  # when a file was written and which one it is; empty where it is not there


@dataclass(frozen=True, eq=False)
class Images:
    """What is known of the images of a split, row by row.

    Parameters
    ----------
    split
        Its name.
    digest
        Of its paths: other images have another.
    version
        Of all that it holds, pixels included.
    shape
        Height and width, pixels.
    paths
        (N,) strings.
    camids, pids
        (N,) int32, -1 unknown.
    """

    split: str
    digest: str
    version: str
    shape: tuple[int, int]
    paths: NDArray[Any]
    camids: NDArray[np.int32]
    pids: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True, eq=False)
class Clustered:
    """An alternation's clusters.

    Parameters
    ----------
    labels
        (N,) int32 pseudo-labels, -1 for outliers.
    agreement
        (N,P) float32; None where it is not computed yet.
    summaries
        Of each cluster.
    order, starts
        (N,) rows by cluster, outliers first, and (C+1,) where each cluster begins in it.
    """

    labels: NDArray[np.int32]
    agreement: NDArray[np.float32] | None
    summaries: Sequence[ClusterSummary]
    order: Rows
    starts: Rows

    def members(self, cluster: int) -> Rows:
        """Return the rows of a cluster."""
        return self.order[self.starts[cluster] : self.starts[cluster + 1]]

    @property
    def outliers(self) -> Rows:
        """The rows in no cluster."""
        return self.order[: self.starts[0]]


class Look:
    """A run as the pages read it.

    Parameters
    ----------
    run
        The run.
    root
        What its addresses begin with.
    """

    def __init__(self, run: Run, *, root: str = ""):
        self.run, self.root = run, root
        self._images = functools.lru_cache(_KEPT)(self._read_images)
        self._clustered = functools.lru_cache(_KEPT)(self._read_clustered)
        self._facts = functools.lru_cache(1)(lambda _: inspect_run(run))
        self._opened = functools.lru_cache(_OPENED)(self._open)
        self._pictures = functools.lru_cache(_KEPT)(lambda split, _: run.split(split).images)
        self._array = functools.lru_cache(4 * _KEPT)(self._read_array)

    @property
    def name(self) -> str:
        """The run's name: that of its folder, or of its revision."""
        return self.run.paths.root.name

    def facts(self) -> Facts:
        """Return what `inspect_run` says, anew once something has changed on disk."""
        paths, schedule = self.run.paths, self.run.schedule
        places = [paths.split("train"), paths.model(INIT), paths.history, paths.evaluation(INIT)]
        for name in schedule.alternations:
            places += [paths.arrays(name, group) for group in GROUPS]
            places += [paths.training(name), paths.evaluation(name)]
        return self._facts(tuple(_stamp(place) for place in places))

    def row(self, name: str, array: str, row: int) -> NDArray[Any] | None:
        """Return an image's row of an alternation's array; None where it is not there yet."""
        stamp = _stamp(self.run.paths.arrays(name, ARRAYS[array].group))
        return np.asarray(self._opened(name, array, stamp)[row]) if stamp else None

    def images(self, split: str) -> Images:
        """Return what is known of a split's images."""
        return self._images(split, _stamp(self.run.paths.split(split)))

    def pictures(self, split: str) -> Pictures:
        """Return a split's images, of which only those asked for are read."""
        return self._pictures(split, _stamp(self.run.paths.split(split)))

    def clustered(self, name: str) -> Clustered | None:
        """Return an alternation's clusters; None where it is not clustered yet."""
        paths = self.run.paths
        stamps = [_stamp(paths.arrays(name, group)) for group in ("clusters", "agreement")]
        return self._clustered(name, *stamps) if stamps[0] else None

    def array(self, name: str, array: str) -> NDArray[Any]:
        """Return an alternation's array by its name in `Alternation`, whole."""
        group, paths = ARRAYS[array].group, self.run.paths
        path = paths.ranking(name) if group == "ranking" else paths.arrays(name, group)
        return self._array(name, array, _stamp(path))

    def _read_images(self, split: str, _: Stamp) -> Images:
        of = self.run.split(split)
        columns = [np.asarray(one[:]) for one in (of.paths, of.camids, of.pids)]
        H, W = self.pictures(split).shape[1:3]
        version = f"{file_checksum(of.path / CHECKSUMS):08x}"
        return Images(split, read_digest(of.path), version, (H, W), *columns)

    def _read_clustered(self, name: str, _: Stamp, with_agreement: Stamp) -> Clustered:
        alternation = self.run.alternation(name)
        labels = np.asarray(alternation.pseudo_labels[:])
        agreement = np.asarray(alternation.cross_agreement[:]) if with_agreement else None
        order = np.argsort(labels, kind="stable")
        C = int(labels.max(initial=-1)) + 1
        starts = np.searchsorted(labels[order], np.arange(C + 1))
        summaries = summarize_clusters(labels, agreement, self.images("train").pids)
        return Clustered(labels, agreement, summaries, order, starts)

    def _read_array(self, name: str, array: str, stamp: Stamp) -> NDArray[Any]:
        return np.asarray(self._opened(name, array, stamp)[:])

    def _open(self, name: str, array: str, _: Stamp) -> Any:
        return getattr(Alternation(self.run.paths, name), array)


def _stamp(path: Path) -> Stamp:
    """Return what changes with the content of a file or a folder; nothing where it is not there.

    DVC's checkout leaves what is the same in both, as a group's own description: not the list of
    checksums.
    """
    for file in (path / CHECKSUMS, path):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found = file.stat()
            return found.st_mtime_ns, found.st_ino, found.st_size
    return ()
