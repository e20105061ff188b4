"""The algorithms as a textbook would write them: dense, with sets and loops, and slow.

The compiled kernels are held to these. They share no code with `pplr`.
"""

import math

import numpy as np


def squared_distances(a, b):
    """Return the (A, B) squared Euclidean distances in float64, from differences."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.array([[float(((x - y) ** 2).sum()) for y in b] for x in a]).reshape(len(a), len(b))


def ranked_list(features, depth):
    distances = squared_distances(features, features)
    N = len(features)
    rows = []
    for i in range(N):
        others = [j for j in range(N) if j != i]
        others.sort(key=lambda j: (distances[i, j], j))
        rows.append(others[:depth])
    return np.array(rows, np.int32).reshape(N, max(0, min(depth, N - 1)))


def reciprocal_set(lists, i, size):
    """Return the images among the first `size` of i's list that have i among theirs."""
    return {j for j in lists[i][:size] if i in lists[j][:size]}


def expanded_set(lists, i, k1):
    core = reciprocal_set(lists, i, k1)
    expanded = set(core)
    for candidate in core:
        half = reciprocal_set(lists, candidate, round(k1 / 2) + 1)
        if len(half & core) / len(half) > 2 / 3 + 1e-12:
            expanded |= half
    return expanded


def k_reciprocal_encoding(features, ranked, k1, k2):
    """Return the dense (N, N) encoding in float64."""
    N = len(features)
    lists = [[i, *(int(j) for j in ranked[i])] for i in range(N)]
    distances = squared_distances(features, features)
    encoding = np.zeros((N, N))
    for i in range(N):
        expanded = expanded_set(lists, i, k1)
        total = sum(math.exp(-distances[i, j]) for j in expanded)
        for j in expanded:
            encoding[i, j] = math.exp(-distances[i, j]) / total
    return np.array([encoding[lists[i][:k2]].mean(axis=0) for i in range(N)])


def jaccard_distance(encoding):
    """Return the dense (N, N) Jaccard distance of a dense encoding, in float64."""
    encoding = np.asarray(encoding, np.float64)
    N = len(encoding)
    distance = np.empty((N, N))
    for i in range(N):
        for j in range(N):
            s = np.minimum(encoding[i], encoding[j]).sum()
            distance[i, j] = max(0.0, 1 - s / (2 - s))
    return distance


def pseudo_labels(distance, eps, min_samples):
    """Return DBSCAN's labels of a dense distance matrix."""
    N = len(distance)
    neighbors = [{j for j in range(N) if j == i or distance[i, j] <= eps} for i in range(N)]
    cores = [i for i in range(N) if len(neighbors[i]) >= min_samples]
    labels = np.full(N, -1)
    cluster = 0
    for first in cores:
        if labels[first] != -1:
            continue
        group, grown = {first}, set()
        while group != grown:
            grown = set(group)
            group |= {j for i in grown for j in neighbors[i] if j in cores}
        border = {j for i in group for j in neighbors[i] if labels[j] == -1}
        labels[list(group | border)] = cluster
        cluster += 1
    return labels


def cross_agreement(global_ranked, part_ranked, k):
    N, P = part_ranked.shape[:2]
    agreement = np.zeros((N, P))
    for i in range(N):
        for p in range(P):
            a, b = set(global_ranked[i, :k].tolist()), set(part_ranked[i, p, :k].tolist())
            agreement[i, p] = len(a & b) / len(a | b) if a | b else 0.0
    return agreement


def retrieval_metrics(distmat, q_pids, g_pids, q_camids, g_camids, q_index=None):
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
    return np.mean(precisions), np.mean(curves, axis=0), len(precisions)
