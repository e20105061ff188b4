"""The algorithms as a textbook would write them: dense matrices, sets and loops, and slow.

The compiled kernels are held to these in the tests and timed against them in the benchmarks. They
share no code with `pplr`. Matrices are (N,N) float64 throughout.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN
from sklearn.metrics import average_precision_score

Array = NDArray[Any]
Lists = Sequence[Sequence[int]]  # of each image, itself first


def squared_distances(a: Array, b: Array) -> Array:
    """Return the (A, B) squared Euclidean distances, from the matrix product."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    norms = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)
    squared: Array = np.maximum(norms - 2 * a @ b.T, 0)
    return squared


def ranked_list(distances: Array, depth: int) -> Array:
    """Return each row's nearest others, equal distances by index."""
    N = len(distances)
    rows = []
    for i in range(N):
        order = np.argsort(distances[i], kind="stable")
        rows.append(order[order != i][:depth])
    return np.array(rows, np.int32).reshape(N, max(0, min(depth, N - 1)))


def reciprocal_set(lists: Lists, i: int, size: int) -> set[int]:
    """Return the images among the first `size` of i's list that have i among theirs."""
    return {j for j in lists[i][:size] if i in lists[j][:size]}


def expanded_set(lists: Lists, i: int, k1: int) -> set[int]:
    """Return i's reciprocal set, and the half sets of its members that overlap it enough."""
    core = reciprocal_set(lists, i, k1)
    expanded = set(core)
    for candidate in core:
        half = reciprocal_set(lists, candidate, round(k1 / 2) + 1)
        if len(half & core) / len(half) > 2 / 3 + 1e-12:
            expanded |= half
    return expanded


def k_reciprocal_encoding(distances: Array, ranked: Array, k1: int, k2: int) -> Array:
    """Return the encoding of squared distances and their ranked lists."""
    N = len(distances)
    lists = [[i, *others] for i, others in enumerate(ranked.tolist())]
    encoding = np.zeros((N, N))
    for i in range(N):
        expanded = expanded_set(lists, i, k1)
        weights = {j: math.exp(-distances[i, j]) for j in expanded}
        for j in expanded:
            encoding[i, j] = weights[j] / sum(weights.values())
    return np.array([encoding[lists[i][:k2]].mean(axis=0) for i in range(N)])


def jaccard_distance(encoding: Array) -> Array:
    """Return the distances; minima are added up only where neither row is zero."""
    N = len(encoding)
    columns = [np.flatnonzero(row) for row in encoding]
    rows = [np.flatnonzero(column) for column in encoding.T]
    distance = np.empty((N, N))
    for i in range(N):
        s = np.zeros(N)
        for j in columns[i]:
            s[rows[j]] += np.minimum(encoding[i, j], encoding[rows[j], j])
        distance[i] = np.maximum(1 - s / (2 - s), 0)
    return distance


def pseudo_labels(distance: Array, eps: float, min_samples: int) -> Array:
    """Return DBSCAN's labels."""
    scan = DBSCAN(eps=eps, min_samples=min_samples, metric="precomputed").fit(distance)
    labels: Array = scan.labels_
    return labels


def reranked_distances(
    q_features: Array, g_features: Array, k1: int, k2: int, weight: float
) -> Array:
    """Return the (Q, G) distances of Zhong et al., CVPR 2017; k1 counts the image itself."""
    Q = len(q_features)
    features = np.concatenate([q_features, g_features])
    distances = squared_distances(features, features)
    ranked = ranked_list(distances, k1 - 1)
    distances /= distances.max(axis=1, keepdims=True)
    jaccard = jaccard_distance(k_reciprocal_encoding(distances, ranked, k1, k2))
    return (1 - weight) * jaccard[:Q, Q:] + weight * distances[:Q, Q:]


def cross_agreement(global_ranked: Array, part_ranked: Array, k: int) -> Array:
    """Return the (N, P) Jaccard similarities of the lists."""
    N, P = part_ranked.shape[:2]
    agreement = np.zeros((N, P))
    for i in range(N):
        for p in range(P):
            a, b = set(global_ranked[i, :k].tolist()), set(part_ranked[i, p, :k].tolist())
            agreement[i, p] = len(a & b) / len(a | b) if a | b else 0.0
    return agreement


def retrieval_metrics(
    distmat: Array,
    q_pids: Array,
    g_pids: Array,
    q_camids: Array,
    g_camids: Array,
    q_index: Array | None = None,
) -> tuple[float, Array, int] | None:
    """Return mAP, the (G,) CMC and the number of valid queries."""
    Q, G = distmat.shape
    precisions, curves = [], []
    for q in range(Q):
        correct = []
        for g in sorted(range(G), key=lambda g: (distmat[q, g], g)):
            same_camera = q_camids[q] == g_camids[g] and q_camids[q] != -1
            if q_pids[q] == g_pids[g] and same_camera:
                continue
            if q_index is not None and q_index[q] == g:
                continue
            correct.append(bool(q_pids[q] == g_pids[g]))
        if not any(correct):
            continue
        hits = [rank for rank, hit in enumerate(correct, 1) if hit]
        precisions.append(sum((n / rank for n, rank in enumerate(hits, 1)), 0.0) / len(hits))
        curves.append([float(hits[0] <= r) for r in range(1, G + 1)])
    if not precisions:
        return None
    return float(np.mean(precisions)), np.mean(curves, axis=0), len(precisions)


def mean_average_precision(
    distmat: Array, q_pids: Array, g_pids: Array, q_camids: Array, g_camids: Array
) -> float:
    """Return mAP by scikit-learn, a query at a time; equal distances are not ordered."""
    precisions = []
    for q in range(len(distmat)):
        counts = (g_pids != q_pids[q]) | (g_camids != q_camids[q])
        correct = g_pids[counts] == q_pids[q]
        if correct.any():
            precisions.append(average_precision_score(correct, -distmat[q][counts]))
    return float(np.mean(precisions))
