"""What every reader of a data set returns: which images there are, and how to open one."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True, eq=False)
class ImageTable:
    """The images of one split, in the order of their paths.

    Parameters
    ----------
    paths
        One for each image, unique; N of them.
    pids
        (N,) int32, true identities, ≥ 1; 0 is a distractor, nobody's match.
    camids
        (N,) int32, zero-based; -1 unknown.
    open_image
        Returns the RGB image of a row. A pure function of the row: any row may be opened alone,
        in any process and in any order.
    """

    paths: tuple[str, ...]
    pids: NDArray[np.int32]
    camids: NDArray[np.int32]
    open_image: Callable[[int], Image.Image]

    def __post_init__(self) -> None:
        assert self.pids.shape == self.camids.shape == (len(self.paths),)

    def __len__(self) -> int:
        """Return N."""
        return len(self.paths)
