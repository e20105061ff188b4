"""Clusters, summed up one by one."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 4096  # images whose features are read together


@dataclass(frozen=True)
class ClusterSummary:
    """What is said of a cluster.

    Parameters
    ----------
    cluster
        Its pseudo-label.
    size
        How many images it has.
    agreement
        Mean cross agreement of its images, by part; None where it is not computed.
    purity
        The share of its images of known identity that have the identity of most; None where none
        is known. For looking only.
    pid
        That identity; of equal ones the lowest.
    """

    cluster: int
    size: int
    agreement: list[float] | None
    purity: float | None
    pid: int | None

    def facts(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)


def summarize_clusters(
    labels: NDArray[np.int32],
    agreement: NDArray[np.float32] | None,
    pids: NDArray[np.int32],
) -> list[ClusterSummary]:
    """Return a summary of every cluster, in their order.

    Parameters
    ----------
    labels
        (N,) pseudo-labels in 0…C-1, -1 for outliers.
    agreement
        (N,P) cross agreement, if there is any.
    pids
        (N,) true identities, -1 unknown.
    """
    C = int(labels.max(initial=-1)) + 1
    kept = labels >= 0
    sizes = np.bincount(labels[kept], minlength=C)
    means = None
    if agreement is not None:
        sums = [np.bincount(labels[kept], weights=part[kept], minlength=C) for part in agreement.T]
        means = np.transpose(sums) / sizes[:, None]
    purities, majorities = _majorities(labels, pids, C)
    return [
        ClusterSummary(
            cluster=cluster,
            size=int(sizes[cluster]),
            agreement=None if means is None else means[cluster].tolist(),
            purity=purities[cluster],
            pid=majorities[cluster],
        )
        for cluster in range(C)
    ]


def _majorities(
    labels: NDArray[np.int32], pids: NDArray[np.int32], num_clusters: int
) -> tuple[list[float | None], list[int | None]]:
    """Return purity and majority identity of each cluster; None where no identity is known."""
    purities: list[float | None] = [None] * num_clusters
    majorities: list[int | None] = [None] * num_clusters
    known = (labels >= 0) & (pids >= 0)
    width = int(pids.max(initial=-1)) + 1
    pairs, counts = np.unique(
        labels[known].astype(np.int64) * width + pids[known], return_counts=True
    )
    clusters, identities = np.divmod(pairs, max(1, width))
    totals = np.bincount(clusters, weights=counts, minlength=num_clusters)
    for i in np.lexsort((-identities, counts)):  # the last of a cluster is its majority
        cluster = int(clusters[i])
        purities[cluster] = float(counts[i] / totals[cluster])
        majorities[cluster] = int(identities[i])
    return purities, majorities


def nearest_clusters(
    features: Any, labels: NDArray[np.int32], cluster: int, *, count: int = 5
) -> list[dict[str, float]]:
    """Return the clusters whose mean features are most like a cluster's, the most similar first.

    Parameters
    ----------
    features
        (N,D) L2-normalised features, read block by block.
    labels
        (N,) pseudo-labels, -1 for outliers.
    cluster
        The cluster.
    count
        How many others.

    Returns
    -------
    list
        `cluster` and the cosine `similarity` of the means, at most 1.
    """
    from scipy.sparse import csr_array

    C = int(labels.max(initial=-1)) + 1
    sums = np.zeros((C, features.shape[1]))
    for start in range(0, len(labels), _BLOCK):
        here = labels[start : start + _BLOCK]
        rows = np.flatnonzero(here >= 0)
        found, index = np.unique(here[rows], return_inverse=True)
        members = csr_array((np.ones(len(rows)), (index, rows)), shape=(len(found), len(here)))
        sums[found] += members @ features[start : start + _BLOCK].astype(np.float32)
    means = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    similarity = means @ means[cluster]
    order = [int(i) for i in np.argsort(-similarity, kind="stable") if i != cluster]
    return [{"cluster": i, "similarity": float(similarity[i])} for i in order[:count]]
