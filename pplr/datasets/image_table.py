"""What every reader of a data set returns: which images there are, and how to open one."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

UNKNOWN = -1  # a pid or camid that nobody knows; it equals no other


@dataclass(frozen=True, eq=False)
class ImageTable:
    """The images of one split, in the order of their paths.

    Parameters
    ----------
    paths
        One for each image, unique; N of them.
    pids
        (N,) int32, true identities as the data set numbers them; -1 unknown.
    camids
        (N,) int32, zero-based; -1 unknown.
    open_image
        Returns the RGB image of a row. A pure function of the row: any row may be opened alone,
        in any process and in any order.
    distractor
        The pid of distractors, which are nobody's match; None where the data set has none.
    passed_over
        How many files beside the images were not read, by suffix.
    """

    paths: tuple[str, ...]
    pids: NDArray[np.int32]
    camids: NDArray[np.int32]
    open_image: Callable[[int], Image.Image]
    distractor: int | None = None
    passed_over: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.pids.shape == self.camids.shape == (len(self.paths),)

    def __len__(self) -> int:
        """Return N."""
        return len(self.paths)

    def without(self, rows: Collection[int]) -> Self:
        """Return the table without some rows."""
        kept = [row for row in range(len(self)) if row not in rows]
        return replace(
            self,
            paths=tuple(self.paths[row] for row in kept),
            pids=self.pids[kept],
            camids=self.camids[kept],
            open_image=lambda row: self.open_image(kept[row]),
        )

    @property
    def people(self) -> set[int]:
        """The known identities, without distractors."""
        return set(self.pids.tolist()) - {UNKNOWN, self.distractor}

    @property
    def cameras(self) -> set[int]:
        """The known cameras."""
        return set(self.camids.tolist()) - {UNKNOWN}
