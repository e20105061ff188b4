"""Which alternations, clusters and images a figure shows: always the same of the same run."""

import numpy as np
from numpy.typing import NDArray

from pplr.runs import Run


def first_and_last(run: Run) -> tuple[str, ...]:
    """Return the names of the first and of the last alternation; one name where they are one."""
    names = list(run.schedule.alternations)
    return tuple(dict.fromkeys((names[0], names[-1])))


def spaced(num: int, count: int) -> NDArray[np.int64]:
    """Return `count` of the numbers 0…num-1, evenly spaced from the first to the last of them.

    Where there are no more than `count`, all of them.
    """
    return np.linspace(0, num - 1, min(num, count)).round().astype(np.int64)


def spaced_clusters(labels: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return `count` clusters, evenly spaced in size from the largest to the smallest.

    Parameters
    ----------
    labels
        (N,) pseudo-labels, -1 for outliers; a number that no image has is no cluster.
    count
        How many; where there are fewer clusters, all of them.
    """
    clusters, sizes = np.unique(labels[labels >= 0], return_counts=True)
    by_size = clusters[np.argsort(-sizes, kind="stable")]
    return by_size[spaced(len(by_size), count)].astype(np.int64)
