"""One training image through a run."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pplr.runs.checks import unknown_row
from pplr.runs.pieces import Alternation, Split
from pplr.storage.arrays import open_arrays, read_digest, read_values

# by group: the fields of `InAlternation`, and the arrays they are rows of
FIELDS = {
    "clusters": {"pseudo_label": "pseudo_labels", "ranked_list": "ranked_list"},
    "agreement": {"ranked_lists": "ranked_lists", "agreement": "cross_agreement"},
    "refined": {"refined_classes": "refined_classes", "refined_weights": "refined_weights"},
}


@dataclass(frozen=True, eq=False)
class InAlternation:
    """What an alternation says of an image; None where that is not on disk yet.

    Parameters
    ----------
    pseudo_label
        Its cluster; -1 is an outlier.
    ranked_list
        (depth,) int32 rows of its neighbours in the global space, nearest first.
    ranked_lists
        (P,k) int32 rows of its neighbours in each part's space, nearest first.
    agreement
        (P,) float32 agreement of each part's neighbours with the global ones.
    refined_classes, refined_weights
        (3,) int32 and float32: the classes of most weight in the label that it was last trained on,
        and their weights; -1 and 0 where it was not drawn, or where there are no more.
    """

    pseudo_label: int | None = None
    ranked_list: NDArray[np.int32] | None = None
    ranked_lists: NDArray[np.int32] | None = None
    agreement: NDArray[np.float32] | None = None
    refined_classes: NDArray[np.int32] | None = None
    refined_weights: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class ImageRow:
    """A training image, and what each alternation says of it.

    Parameters
    ----------
    row
        Its row in every array.
    path
        Its path below the folder of the images.
    picture
        (H,W,3) uint8, RGB, as the model sees it but for augmentation.
    camid
        Its camera, zero-based; -1 is unknown.
    alternations
        By name, every alternation that has something on disk.
    """

    row: int
    path: str
    picture: NDArray[np.uint8]
    camid: int
    alternations: dict[str, InAlternation]


def read_row(train: Split, alternations: Iterable[Alternation], row: int) -> ImageRow:
    """Return what a run says of one training image.

    Raises
    ------
    DataError
        There is no such row; or an array is damaged, or belongs to other images.
    """
    paths, camids = open_arrays(train.path, "paths", "camids")
    if not 0 <= row < paths.shape[0]:
        raise unknown_row(row, paths.shape[0], where=train.path)
    digest = read_digest(train.path)
    return ImageRow(
        row=row,
        path=str(read_values(paths, train.path, row)),
        picture=train.images[row],
        camid=int(read_values(camids, train.path, row)),
        alternations={one.name: _in_alternation(one, row, digest) for one in alternations},
    )


def _in_alternation(alternation: Alternation, row: int, digest: str) -> InAlternation:
    values: dict[str, Any] = {}
    there = alternation.there
    for group, names in FIELDS.items():
        if group in there:
            path = alternation.paths.arrays(alternation.name, group)
            arrays = open_arrays(path, *names.values(), digest=digest)
            for field, array in zip(names, arrays, strict=True):
                values[field] = read_values(array, path, row)
    if "pseudo_label" in values:
        values["pseudo_label"] = int(values["pseudo_label"])
    return InAlternation(**values)
