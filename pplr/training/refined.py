"""The refined labels of an epoch, kept to be looked at."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

TOP = 3  # classes that are kept of a label


class RefinedLabels:
    """What each image was last trained on: the classes of most weight in its refined label.

    Parameters
    ----------
    num_images
        N.

    Attributes
    ----------
    classes
        (N,3) int32, of most weight first; -1 where an image was not drawn, or where no more
        classes have any weight.
    weights
        (N,3) float32 in [0,1].
    """

    def __init__(self, num_images: int):
        self.classes = np.full((num_images, TOP), -1, dtype=np.int32)
        self.weights = np.zeros((num_images, TOP), dtype=np.float32)

    def note(self, rows: NDArray[np.int64], labels: Tensor, refined: Tensor | None) -> None:
        """Note what the images `rows` (B,) learn: labels (B,C), or their pseudo-labels (B,)."""
        if refined is None:
            refined = one_hot(labels).float()
        count = min(TOP, refined.shape[1])
        weights, classes = refined.topk(count, dim=1)
        self.classes[rows, :count] = classes.masked_fill(weights == 0, -1).cpu()
        self.weights[rows, :count] = weights.cpu()
