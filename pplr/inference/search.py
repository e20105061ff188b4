"""The images of a gallery that are nearest to an image."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pplr.errors import DataError
from pplr.inference.checks import check_gallery_model, no_gallery, unreadable_gallery
from pplr.inference.images import FolderFeatures, read_image
from pplr.inference.models import FinishedModel
from pplr.storage.arrays import open_arrays, open_group, read_values
from pplr.storage.integrity import check_finite

ROWS_AT_A_TIME = 4096
SPARE = 8  # more than are wanted, since faiss's last bits may order equal ones anyhow


class Match(NamedTuple):
    """An image of the gallery.

    Parameters
    ----------
    path
        Below the gallery's folder.
    distance
        Euclidean distance of its feature, of length 1, to the query's: from 0 to 2.
    """

    path: str
    distance: float


@dataclass(frozen=True, eq=False)
class Gallery:
    """Images to be searched, by their features.

    Parameters
    ----------
    features
        (N,D) float32, L2-normalised.
    paths
        N paths below `folder`.
    folder
        Where the images lie, or lay when their features were extracted.
    """

    features: NDArray[np.float32]
    paths: list[str]
    folder: Path

    def __len__(self) -> int:
        return len(self.paths)

    def nearest(self, feature: NDArray[np.float32], k: int) -> list[Match]:
        """Return the k nearest images, nearest first, equally near ones by path; at most N.

        faiss searches all of them; the distances of those it finds are computed again in float64.

        Parameters
        ----------
        feature
            (D,) of the query, L2-normalised.
        k
            How many.
        """
        import faiss

        _, found = faiss.knn(feature[None], self.features, min(k + SPARE, len(self)))
        rows = np.sort(found[0])
        differences = self.features[rows].astype(np.float64) - feature
        distances = np.linalg.norm(differences, axis=1)
        order = np.argsort(distances, kind="stable")[:k]
        return [Match(self.paths[rows[i]], float(distances[i])) for i in order]


@dataclass(frozen=True)
class Answer:
    """What a gallery has for a query.

    Parameters
    ----------
    query
        The image's file.
    nearest
        The nearest images, nearest first; one at least.
    max_distance
        What is farther does not count; None counts all.
    """

    query: Path
    nearest: list[Match]
    max_distance: float | None = None

    @property
    def matches(self) -> list[Match]:
        """Those of the nearest that are near enough."""
        limit = np.inf if self.max_distance is None else self.max_distance
        return [match for match in self.nearest if match.distance <= limit]


def search(
    model: FinishedModel,
    queries: dict[Path, NDArray[np.uint8]],
    gallery: Gallery,
    *,
    k: int,
    max_distance: float | None = None,
) -> list[Answer]:
    """Return the answer to each query.

    Parameters
    ----------
    model
        The one that the gallery's features are of.
    queries
        Images (H,W,3) uint8 by their files, as `read_image` reads them.
    gallery
        What is searched.
    k
        How many of the nearest are wanted.
    max_distance
        What is farther does not count.
    """
    found = ((path, model.features(image[None])[0, 0]) for path, image in queries.items())
    return [Answer(path, gallery.nearest(feature, k), max_distance) for path, feature in found]


def read_queries(
    model: FinishedModel, paths: Iterable[Path | str]
) -> dict[Path, NDArray[np.uint8]]:
    """Return the images of queries, by their files; the first broken one is an error."""
    return {Path(path): read_image(path, model.size) for path in paths}


def open_gallery(model: FinishedModel, path: Path | str, *, skip_broken: bool = False) -> Gallery:
    """Return a gallery of a folder's images, or of features that `pplr extract` wrote.

    Raises
    ------
    MissingInputError
        There is no such folder, or no image in it.
    DataError
        The features are of another model, or damaged; or images cannot be decoded.
    """
    path = Path(path)
    if (path / "zarr.json").is_file():
        return _stored_gallery(model, path)
    if not path.is_dir():
        raise no_gallery(path)
    found = FolderFeatures(model, path, skip_broken=skip_broken)
    features = np.empty((len(found.table), model.network.backbone.num_features), np.float32)
    start = 0
    for batch in found:
        features[start : start + len(batch)] = batch[:, 0]
        start += len(batch)
    return Gallery(features[:start], found.paths, path)


def _stored_gallery(model: FinishedModel, path: Path) -> Gallery:
    with _readable(path):
        attributes = open_group(path).attrs.asdict()
    origin = attributes.get("model")
    if not isinstance(origin, dict):
        raise no_gallery(path)
    check_gallery_model(path, origin, name=model.name, checksum=model.checksum)
    with _readable(path):
        stored, stored_paths = open_arrays(path, "global", "paths")
        paths = read_values(stored_paths, path).tolist()
        features = np.empty(stored.shape, np.float32)
        for start in range(0, len(features), ROWS_AT_A_TIME):
            rows = slice(start, start + ROWS_AT_A_TIME)
            values = read_values(stored, path, rows)
            check_finite("global", values, path)
            features[rows] = values
    return Gallery(features, paths, Path(str(attributes.get("folder", ""))))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say of damage what a user of features does about it, who may have no pipeline."""
    try:
        yield
    except DataError as error:
        raise unreadable_gallery(path, error) from None
