"""One training image through a run."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pplr.runs.checks import unknown_row
from pplr.runs.pieces import Alternation, Split
from pplr.storage.arrays import read_values
from pplr.storage.layout import ARRAYS


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
    """

    pseudo_label: int | None = None
    ranked_list: NDArray[np.int32] | None = None
    ranked_lists: NDArray[np.int32] | None = None
    agreement: NDArray[np.float32] | None = None


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
    if not 0 <= row < len(train):
        raise unknown_row(row, len(train), where=train.path)
    return ImageRow(
        row=row,
        path=str(read_values(train.paths, train.path, row)),
        picture=train.images[row],
        camid=int(read_values(train.camids, train.path, row)),
        alternations={one.name: _in_alternation(one, row) for one in alternations},
    )


def _in_alternation(alternation: Alternation, row: int) -> InAlternation:
    values: dict[str, Any] = {}
    there = alternation.there
    if "clusters" in there:
        values["pseudo_label"] = int(_values(alternation, "pseudo_labels", row))
        values["ranked_list"] = _values(alternation, "ranked_list", row)
    if "agreement" in there:
        values["ranked_lists"] = _values(alternation, "ranked_lists", row)
        values["agreement"] = _values(alternation, "cross_agreement", row)
    return InAlternation(**values)


def _values(alternation: Alternation, name: str, row: int) -> NDArray[Any]:
    path = alternation.paths.arrays(alternation.name, ARRAYS[name].group)
    return read_values(getattr(alternation, name), path, row)
