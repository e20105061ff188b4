"""Retrieval metrics: mean average precision and cumulative matching characteristic."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numba import njit, prange
from numpy.typing import NDArray

from pplr.errors import DataError
from pplr.ranking import squared_norms

QUERY_BLOCK = 256
NO_HIT = -1


@dataclass(frozen=True)
class RetrievalMetrics:
    """How well the gallery was ranked, as fractions of 1.

    Attributes
    ----------
    mAP
        Mean over the valid queries of their average precision.
    cmc
        (G,) float64: at r, the share of valid queries with a correct image among the first r+1;
        `cmc[0]` is Rank-1.
    num_valid_queries
        How many queries have a correct image in the gallery at all; the others are left out.
    """

    mAP: float  # noqa: N815 — the field's own spelling
    cmc: NDArray[np.float64]
    num_valid_queries: int


def retrieval_metrics(
    distmat: NDArray[np.floating],
    q_pids: NDArray[np.integer],
    g_pids: NDArray[np.integer],
    q_camids: NDArray[np.integer],
    g_camids: NDArray[np.integer],
    *,
    q_index: NDArray[np.integer] | None = None,
) -> RetrievalMetrics:
    """Return mAP and CMC for a distance matrix, by the single-query protocol of Market-1501.

    For each query, gallery images of its person in its camera are left out, and its own image. The
    average precision is the mean of the precision at each correct image; equal distances go by
    lower gallery row.

    Parameters
    ----------
    distmat
        (Q, G) float32 or float64 distances, smaller is nearer; no NaN.
    q_pids, g_pids
        (Q,) and (G,) identities.
    q_camids, g_camids
        (Q,) and (G,) cameras; -1 is unknown and equals no camera.
    q_index
        (Q,) gallery row of the query's own image, -1 for none; None if no query is in the gallery.

    Raises
    ------
    DataError
        If a distance is NaN, or no query has a correct image.
    """
    Q, G = distmat.shape
    assert len(q_pids) == len(q_camids) == Q, "a query has no pid or camid"
    assert len(g_pids) == len(g_camids) == G, "a gallery image has no pid or camid"
    distmat = np.ascontiguousarray(distmat)
    if np.isnan(distmat.sum()):
        raise DataError(
            what="The distance matrix holds NaN.",
            where="distmat",
            value=f"first in row {int(np.isnan(distmat.sum(axis=1)).argmax())}",
            allowed="distances",
            next_step="check the features it was computed from",
        )
    ids = _as_int64(q_pids, g_pids, q_camids, g_camids, q_index)
    precisions, first_hits = _score_queries(distmat, *ids)
    return _summary(precisions, first_hits, len(g_pids))


def evaluate_features(
    q_features: NDArray[np.floating],
    g_features: NDArray[np.floating],
    q_pids: NDArray[np.integer],
    g_pids: NDArray[np.integer],
    q_camids: NDArray[np.integer],
    g_camids: NDArray[np.integer],
    *,
    q_index: NDArray[np.integer] | None = None,
    device: str = "cpu",
) -> RetrievalMetrics:
    """Return `retrieval_metrics` by squared Euclidean distance, a block of queries at a time.

    What is ranked by is computed in float64 and rounded to float32, so that it and the ties in it
    depend neither on the device nor on the number of threads.

    Parameters
    ----------
    q_features, g_features
        (Q, D) and (G, D) float16 or float32, finite.
    q_pids, g_pids, q_camids, g_camids, q_index
        As for `retrieval_metrics`.
    device
        Where the distances are computed.

    Raises
    ------
    DataError
        If a feature is NaN, infinite or huge, or no query has a correct image.
    """
    q_pids, g_pids, q_camids, g_camids, own = _as_int64(q_pids, g_pids, q_camids, g_camids, q_index)
    squared_norms(q_features)  # only for its check
    g_norms = torch.tensor(squared_norms(g_features), device=device)
    gallery = torch.tensor(g_features, dtype=torch.float64, device=device)
    scores = []
    for start in range(0, len(q_pids), QUERY_BLOCK):
        block = slice(start, start + QUERY_BLOCK)
        queries = torch.tensor(q_features[block], dtype=torch.float64, device=device)
        # The distances less the query's own norm, which does not change their order. (block, G)
        keys = torch.addmm(g_norms, queries, gallery.T, alpha=-2).float().cpu().numpy()
        scores.append(
            _score_queries(keys, q_pids[block], g_pids, q_camids[block], g_camids, own[block])
        )
    precisions, first_hits = (np.concatenate(parts) for parts in zip(*scores, strict=True))
    return _summary(precisions, first_hits, len(g_pids))


def _as_int64(
    q_pids: NDArray[np.integer],
    g_pids: NDArray[np.integer],
    q_camids: NDArray[np.integer],
    g_camids: NDArray[np.integer],
    q_index: NDArray[np.integer] | None,
) -> list[NDArray[np.int64]]:
    """Return all as int64, for which alone the kernel is compiled."""
    own = np.full(len(q_pids), -1) if q_index is None else q_index
    return [np.asarray(ids, np.int64) for ids in (q_pids, g_pids, q_camids, g_camids, own)]


def _summary(
    precisions: NDArray[np.float64], first_hits: NDArray[np.int64], G: int
) -> RetrievalMetrics:
    """Return the means over the valid queries."""
    valid = first_hits != NO_HIT
    num_valid = int(valid.sum())
    if num_valid == 0:
        raise DataError(
            what="No query has a correct image in the gallery.",
            where="q_pids, g_pids, q_camids, g_camids",
            value=f"{len(valid)} queries, {G} gallery images",
            allowed="at least one query whose person another camera has seen",
            next_step="check that query and gallery are of the same data set and cameras are right",
        )
    hits_by_rank = np.bincount(first_hits[valid], minlength=G)  # (G,)
    return RetrievalMetrics(
        mAP=float(precisions[valid].mean()),
        cmc=np.cumsum(hits_by_rank) / num_valid,
        num_valid_queries=num_valid,
    )


@njit(cache=True, parallel=True)
def _score_queries(
    distmat: NDArray[np.float32],
    q_pids: NDArray[np.int64],
    g_pids: NDArray[np.int64],
    q_camids: NDArray[np.int64],
    g_camids: NDArray[np.int64],
    own: NDArray[np.int64],
) -> Any:
    """Return (Q,) average precisions and (Q,) ranks, from 0, of the first hit, or NO_HIT."""
    Q = len(q_pids)
    precisions = np.zeros(Q)
    first_hits = np.full(Q, NO_HIT, np.int64)
    for i in prange(Q):
        ranks = _ranks_of_correct(
            distmat[i], g_pids == q_pids[i], (g_camids == q_camids[i]) & (q_camids[i] != -1), own[i]
        )
        for hit in range(len(ranks)):
            precisions[i] += (hit + 1) / ranks[hit] / len(ranks)
        if len(ranks):
            first_hits[i] = ranks[0] - 1
    return precisions, first_hits


@njit(cache=True)
def _ranks_of_correct(
    distances: NDArray[np.float32],
    same_person: NDArray[np.bool_],
    same_camera: NDArray[np.bool_],
    own: int,
) -> Any:
    """Return the ranks, from 1 and ascending, of one query's correct images.

    They come from counting which of the correct images, a few, each gallery image is before, so
    that the row need not be sorted.
    """
    left_out = same_person & same_camera
    if own >= 0:
        left_out[own] = True
    correct = np.flatnonzero(same_person & ~left_out)
    # Stable, so that equal distances go by lower gallery row.
    correct = correct[np.argsort(distances[correct], kind="mergesort")]
    bounds = distances[correct]
    num_before = np.zeros(len(correct) + 1, np.int64)
    for g in range(len(distances)):
        if not left_out[g]:
            # The first correct image that g is not behind; g itself, if it is correct.
            c = np.searchsorted(bounds, distances[g])
            while c < len(correct) and bounds[c] == distances[g] and correct[c] < g:
                c += 1
            num_before[c] += 1
    return np.cumsum(num_before)[:-1]
