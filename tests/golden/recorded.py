"""What the official code gave, and how near to it this project has to come."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# The largest difference, as a share of the largest recorded number. Each is some times what was
# measured (README.md, Fidelity), for sums that another processor adds up in another order; a
# changed constant or formula is off by thousands of times as much.
ALLOWED = {
    # float32: weights and their minima are rounded at 6e-8, some 30 are added up
    "Jaccard distance": 3e-6,
    # float32 again: a loss is a mean, so that roundings cancel; a gradient's entry is one number
    "loss": 5e-7,
    "gradient": 2e-6,
    # float64, a mean of 112 numbers
    "mAP": 1e-15,
    # float64: roundings of 1e-16 go through 53 layers and are trained on; weights move by the
    # learning rate, 1e-5, whatever a gradient's size, and carry less of them than losses
    "loss in training": 2e-11,
    "weights and statistics": 3e-13,
}


def recorded(name: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file of recordings."""
    with np.load(Path(__file__).with_name(f"{name}.npz")) as arrays:
        return dict(arrays)


def assert_near(quantity: str, actual: ArrayLike, expected: ArrayLike) -> None:
    """Assert that numbers are as near to the recorded ones as ALLOWED says; print how near."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    difference = np.abs(actual - expected).max() / np.abs(expected).max()
    print(f"{quantity}: {difference:.1e} of {ALLOWED[quantity]:.0e} allowed")
    assert difference <= ALLOWED[quantity]  # not so where it is NaN
