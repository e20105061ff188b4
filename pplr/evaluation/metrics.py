"""Retrieval metrics: mean average precision and cumulative matching characteristic."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pplr.checks import check_distmat, no_valid_query

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
    average_precision
        (Q,) float64; -1 for a query that is left out.
    ranked_list
        (Q, depth) int32: gallery rows, nearest first, without those that the protocol leaves out;
        -1 where there are no more.
    """

    mAP: float  # noqa: N815 — the field's own spelling
    cmc: NDArray[np.float64]
    num_valid_queries: int
    average_precision: NDArray[np.float64]
    ranked_list: NDArray[np.int32]


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
        (Q, G) distances of any type of number, smaller is nearer; finite.
    q_pids, g_pids
        (Q,) and (G,) identities; -1 is unknown and equals nobody.
    q_camids, g_camids
        (Q,) and (G,) cameras; -1 is unknown and equals no camera.
    q_index
        (Q,) gallery row of the query's own image, -1 for none; None if no query is in the gallery.

    Raises
    ------
    DataError
        If a distance is NaN or infinite, or no query has a correct image.
    """
    Q, G = distmat.shape
    assert len(q_pids) == len(q_camids) == Q, "a query has no pid or camid"
    assert len(g_pids) == len(g_camids) == G, "a gallery image has no pid or camid"
    check_distmat(distmat)
    return retrieval_metrics_in_blocks(
        [distmat], q_pids, g_pids, q_camids, g_camids, q_index=q_index
    )


def retrieval_metrics_in_blocks(
    blocks: Iterable[NDArray[np.floating]],
    q_pids: NDArray[np.integer],
    g_pids: NDArray[np.integer],
    q_camids: NDArray[np.integer],
    g_camids: NDArray[np.integer],
    *,
    q_index: NDArray[np.integer] | None = None,
    depth: int = 0,
) -> RetrievalMetrics:
    """Return `retrieval_metrics` of a distance matrix that is never held whole.

    Parameters
    ----------
    blocks
        The rows of the matrix in order, some at a time, (≤ Q, G) without NaN, as
        `pplr.evaluation.distances` gives them.
    q_pids, g_pids, q_camids, g_camids, q_index
        As for `retrieval_metrics`.
    depth
        How many of each query's nearest `ranked_list` has, at most G.

    Raises
    ------
    DataError
        If no query has a correct image.
    """
    q_pids, g_pids, q_camids, g_camids, own = _as_int64(q_pids, g_pids, q_camids, g_camids, q_index)
    scores = []
    start = 0
    for block in blocks:
        assert block.shape[1] == len(g_pids), "a block is not of this gallery"
        rows = slice(start, start + len(block))
        distances = np.ascontiguousarray(block, np.result_type(block, np.float32))
        ids = (q_pids[rows], g_pids, q_camids[rows], g_camids, own[rows])
        scores.append(_score_queries(distances, *ids, min(depth, len(g_pids))))
        start = rows.stop
    assert start == len(q_pids), "the blocks are not of these queries"
    if not scores:
        raise no_valid_query(0, len(g_pids))
    precisions, first_hits, ranked_list = map(np.concatenate, zip(*scores, strict=True))
    return _summary(precisions, first_hits, ranked_list, len(g_pids))


def own_rows(q_paths: Sequence[str], g_paths: Sequence[str]) -> NDArray[np.int64]:
    """Return (Q,) the gallery row of each query's own image, found by its path; -1 for none."""
    rows = {path: row for row, path in enumerate(g_paths)}
    return np.array([rows.get(path, -1) for path in q_paths], np.int64)


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
    precisions: NDArray[np.float64],
    first_hits: NDArray[np.int64],
    ranked_list: NDArray[np.int32],
    G: int,
) -> RetrievalMetrics:
    """Return the means over the valid queries."""
    valid = first_hits != NO_HIT
    num_valid = int(valid.sum())
    if num_valid == 0:
        raise no_valid_query(len(valid), G)
    hits_by_rank = np.bincount(first_hits[valid], minlength=G)  # (G,)
    return RetrievalMetrics(
        mAP=float(precisions[valid].mean()),
        cmc=np.cumsum(hits_by_rank) / num_valid,
        num_valid_queries=num_valid,
        average_precision=np.where(valid, precisions, -1),
        ranked_list=ranked_list,
    )


@njit(cache=True, parallel=True)
def _score_queries(
    distmat: NDArray[np.float32],
    q_pids: NDArray[np.int64],
    g_pids: NDArray[np.int64],
    q_camids: NDArray[np.int64],
    g_camids: NDArray[np.int64],
    own: NDArray[np.int64],
    depth: int,
) -> Any:
    """Return of each query its average precision, its first hit and its nearest gallery rows.

    (Q,) precisions; (Q,) ranks, from 0, of the first hit, or NO_HIT; (Q, depth) rows, -1 where
    there are no more.
    """
    Q = len(q_pids)
    precisions = np.zeros(Q)
    first_hits = np.full(Q, NO_HIT, np.int64)
    nearest = np.full((Q, depth), np.int32(-1))
    for i in prange(Q):
        same_person = (g_pids == q_pids[i]) & (q_pids[i] != -1)
        left_out = same_person & (g_camids == q_camids[i]) & (q_camids[i] != -1)
        if own[i] >= 0:
            left_out[own[i]] = True
        ranks = _ranks_of_correct(distmat[i], same_person & ~left_out, left_out)
        for hit in range(len(ranks)):
            precisions[i] += (hit + 1) / ranks[hit] / len(ranks)
        if len(ranks):
            first_hits[i] = ranks[0] - 1
        if depth:
            rows = _nearest(distmat[i], left_out, depth)
            nearest[i, : len(rows)] = rows
    return precisions, first_hits, nearest


@njit(cache=True)
def _ranks_of_correct(
    distances: NDArray[np.float32], is_correct: NDArray[np.bool_], left_out: NDArray[np.bool_]
) -> Any:
    """Return the ranks, from 1 and ascending, of one query's correct images.

    They come from counting what is before each of the correct images, a few, so that the row need
    not be sorted.
    """
    row = distances.copy()
    row[left_out] = np.nan  # before nothing
    correct = np.flatnonzero(is_correct)
    ranks = np.empty(len(correct), np.int64)
    for c, image in enumerate(correct):
        before = np.int32(0)
        for g in range(image):  # equal distances go by lower gallery row
            before += np.int32(row[g] <= row[image])
        for g in range(image + 1, len(row)):
            before += np.int32(row[g] < row[image])
        ranks[c] = before + 1
    return np.sort(ranks)


@njit(cache=True)
def _nearest(distances: NDArray[np.float32], left_out: NDArray[np.bool_], depth: int) -> Any:
    """Return one query's nearest gallery rows, at most `depth`, without those left out."""
    rows = np.flatnonzero(~left_out)
    kept = distances[rows]
    if len(rows) > depth:  # the rest need not be sorted
        near = kept <= np.partition(kept, depth - 1)[depth - 1]
        rows, kept = rows[near], kept[near]
    # stable: equal distances go by lower gallery row
    return rows[np.argsort(kept, kind="mergesort")[:depth]]
