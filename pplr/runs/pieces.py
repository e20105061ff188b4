"""The pieces of a run: its alternations, splits and models, each opened when it is asked for."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pplr.runs.checks import no_part_agreement
from pplr.runs.history import read_evaluation, read_training
from pplr.runs.lazy import LazyArray
from pplr.storage.arrays import open_arrays, read_digest
from pplr.storage.images import PackedImages
from pplr.storage.json_files import read_json
from pplr.storage.layout import GROUPS, ModelFiles, RunPaths
from pplr.storage.specs import ARRAYS


@dataclass(frozen=True)
class Alternation:
    """What an alternation has on disk; arrays are read-only, and only what is sliced is read.

    An array that is not there is a MissingInputError, a group of other images a DataError; `there`
    says without an error what there is.

    Parameters
    ----------
    paths
        The run's paths.
    name
        Its name, as `00`, or `init`, which has a ranking alone.
    """

    paths: RunPaths
    name: str

    @property
    def there(self) -> tuple[str, ...]:
        """What is on disk: its groups, model, training, evaluation and ranking."""
        places = {group: self.paths.arrays(self.name, group) for group in GROUPS}
        places["model"] = self.paths.model(self.name)
        places["training"] = self.paths.training(self.name)
        places["evaluation"] = self.paths.evaluation(self.name)
        places["ranking"] = self.paths.ranking(self.name)
        return tuple(piece for piece, path in places.items() if path.exists())

    @property
    def global_features(self) -> zarr.Array[Any]:
        """(N,D) features in the global space, L2-normalised."""
        return self._open("global")

    @property
    def part_features(self) -> zarr.Array[Any]:
        """(N,P,D) features in the part spaces, from the top down, L2-normalised."""
        return self._open("parts")

    @property
    def pseudo_labels(self) -> zarr.Array[Any]:
        """(N,) int32 clusters; -1 is an outlier."""
        return self._open("pseudo_labels")

    @property
    def ranked_list(self) -> zarr.Array[Any]:
        """(N,depth) int32 rows of the neighbours in the global space, nearest first."""
        return self._open("ranked_list")

    @property
    def ranked_lists(self) -> zarr.Array[Any]:
        """(N,P,k) int32 rows of the neighbours in each part's space, nearest first."""
        return self._open("ranked_lists")

    @property
    def cross_agreement(self) -> zarr.Array[Any]:
        """(N,P) float32 agreement of each part's neighbours with the global ones, in [0,1]."""
        return self._open("cross_agreement")

    @property
    def part_agreement(self) -> zarr.Array[Any]:
        """(N,P,P) float32 agreement of two parts' neighbours; only of `part_refinement: parts`."""
        path = self.paths.arrays(self.name, ARRAYS["part_agreement"].group)
        if path.is_dir() and not (path / "part_agreement").exists():
            raise no_part_agreement(path)
        return self._open("part_agreement")

    @property
    def refined_classes(self) -> zarr.Array[Any]:
        """(N,3) int32 classes of most weight in the label an image was last trained on; -1 none."""
        return self._open("refined_classes")

    @property
    def refined_weights(self) -> zarr.Array[Any]:
        """(N,3) float32 weights of these classes, in [0,1]."""
        return self._open("refined_weights")

    @property
    def training(self) -> dict[str, float] | None:
        """The mean losses and the learning rate of the epoch; None before it is trained."""
        path = self.paths.training(self.name)
        return read_training(path) if path.is_file() else None

    @property
    def evaluation(self) -> dict[str, Any] | None:
        """The metrics of its model; None before or where it is not evaluated."""
        path = self.paths.evaluation(self.name)
        return read_evaluation(path) if path.is_file() else None

    @property
    def average_precision(self) -> zarr.Array[Any]:
        """(Q,) float64 average precision of each query; -1 where it has no correct image."""
        return self._open_ranking("average_precision")

    @property
    def gallery_ranked_list(self) -> zarr.Array[Any]:
        """(Q,depth) int32 gallery rows, nearest first, as the metric ranks them; -1 no more."""
        return self._open_ranking("gallery_ranked_list")

    def _open_ranking(self, name: str) -> zarr.Array[Any]:
        digest = read_digest(self.paths.split("query"))
        (array,) = open_arrays(self.paths.ranking(self.name), name, digest=digest)
        return LazyArray(array.async_array)

    def _open(self, name: str) -> zarr.Array[Any]:
        path = self.paths.arrays(self.name, ARRAYS[name].group)
        (array,) = open_arrays(path, name, digest=read_digest(self.paths.split("train")))
        return LazyArray(array.async_array)


@dataclass(frozen=True)
class Split:
    """The images of a split and what is known of them; row i is image i.

    Parameters
    ----------
    path
        The split's group.
    """

    path: Path

    @cached_property
    def images(self) -> "Pictures":
        """N images (H,W,3) uint8, RGB, of which only the chunks of those asked for are read."""
        return Pictures(self.path)

    @property
    def pids(self) -> zarr.Array[Any]:
        """(N,) int32 true identities, -1 unknown; training never reads them."""
        return self._open("pids")

    @property
    def camids(self) -> zarr.Array[Any]:
        """(N,) int32 zero-based cameras, -1 unknown."""
        return self._open("camids")

    @property
    def paths(self) -> zarr.Array[Any]:
        """(N,) strings, the images' paths below their folder."""
        return self._open("paths")

    def __len__(self) -> int:
        return int(self.paths.shape[0])

    def _open(self, name: str) -> zarr.Array[Any]:
        (array,) = open_arrays(self.path, name)
        return LazyArray(array.async_array)


class Pictures(PackedImages):
    """The images of a split, by anything that indexes rows: a number, a slice, a mask, rows."""

    def __getitem__(self, rows: Any) -> NDArray[np.uint8]:
        """Return images (B,H,W,3) uint8, a copy; a single one (H,W,3) of a single number."""
        wanted = np.arange(len(self))[rows]
        images = super().__getitem__(np.atleast_1d(wanted))
        return images if np.ndim(wanted) else images[0]


@dataclass(frozen=True)
class Model:
    """A model's folder.

    Parameters
    ----------
    name
        `init`, or the alternation after whose epoch it is.
    path
        The folder; `pplr.network.checkpoint.read_model` makes a model of it.
    """

    name: str
    path: Path

    @property
    def files(self) -> ModelFiles:
        """The paths of its files."""
        return ModelFiles(self.path)

    @property
    def settings(self) -> dict[str, Any]:
        """What it is built from: backbone, size, parts, pooling, mean and deviation of pixels."""
        return read_json(self.files.settings)
