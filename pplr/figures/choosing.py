"""Which alternations, clusters and images a figure shows: always the same of the same run."""

import numpy as np
from numpy.typing import NDArray

from pplr.runs import Run


def first_and_last(run: Run) -> tuple[str, ...]:
    """Return the names of the first and of the last alternation; one name where they are one."""
    names = list(run.schedule.alternations)
    return tuple(dict.fromkeys((names[0], names[-1])))


def evenly(total: int, count: int) -> NDArray[np.int64]:
    """Return `count` indices spread evenly over 0…total-1, all of them where there are fewer."""
    return np.arange(total) if total <= count else np.arange(count) * total // count


def spread_clusters(labels: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return `count` clusters, spread evenly over all by their size, the largest first.

    Parameters
    ----------
    labels
        (N,) pseudo-labels, -1 for outliers; a number that no image has is no cluster.
    count
        How many; where there are fewer clusters, all of them.
    """
    clusters, sizes = np.unique(labels[labels >= 0], return_counts=True)
    by_size = clusters[np.argsort(-sizes, kind="stable")]
    return by_size[evenly(len(by_size), count)].astype(np.int64)
