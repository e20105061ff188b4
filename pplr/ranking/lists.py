"""Ranked lists: for every image the nearest others.

A search finds slightly more candidates than are wanted; their distances are then computed again one
by one in float64 and sorted. So the order depends neither on the device nor on the number of
threads nor on where in a block a row lies, as the last bits of a matrix product do.
"""

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from pplr.ranking.candidates import candidates_by_index, exact_candidates, search_attributes
from pplr.ranking.distances import float_bits, squared_distance, squared_norms

SPARE_CANDIDATES = 8  # more than the depth, so that few rows need the search over all columns


def ranked_list(
    features: NDArray[np.floating], depth: int, *, search: str = "exact", device: str = "cpu"
) -> NDArray[np.int32]:
    """Return each image's nearest others by Euclidean distance, nearest first.

    Parameters
    ----------
    features
        (N, D) float16 or float32, finite; they need not be normalised.
    depth
        How many neighbours to list. With fewer than `depth` other images, all of them are listed.
    search
        How candidates are searched, the setting of this name: `exact`, or `approximate`: from
        10,000 images on, some of the nearest may be missing.
    device
        Where the exact search looks for candidates. It changes the time, not the result.

    Returns
    -------
    (N, min(depth, N-1)) int32 rows of `features`. The image itself is left out by its index, so
    that bit-equal duplicates of it stay; equal distances go by index.

    Raises
    ------
    DataError
        The features are of another type or shape; or one is NaN or infinite, or too large for its
        square to be a float32.
    """
    norms = squared_norms(features)
    N, D = features.shape
    depth = max(0, min(depth, N - 1))
    if depth == 0:
        return np.empty((N, 0), np.int32)
    width = min(depth + SPARE_CANDIDATES, N - 1)
    certain_within = np.full(N, np.inf)
    if search_attributes(search, N)["search"] == "approximate":
        candidates = candidates_by_index(features, width)
    else:
        candidates, farthest_keys = exact_candidates(features, norms, width, device=device)
        if width < N - 1:  # anything that is not a candidate is at least this far away
            certain_within = norms + 2.0 * (farthest_keys - _key_error(norms, D))
    ranked = np.empty((N, depth), np.int32)
    bits = float_bits(features)
    uncertain = np.flatnonzero(~_rank_candidates(bits, candidates, certain_within, ranked))
    _rank_all(bits, uncertain, ranked)
    return ranked


def _key_error(norms: NDArray[np.float64], D: int) -> NDArray[np.float64]:
    """Return (N,) bounds on the error of a float32 key in each row.

    A sum of D rounded products is off by at most a few √D units in the last place, except with a
    probability too small to matter (Higham and Mary, SIAM J. Sci. Comput. 41(5), 2019, with λ = 8).
    """
    unit = float(np.finfo(np.float32).eps) / 2
    largest = norms.max()
    rounding = unit * (8.0 * np.sqrt(D) * np.sqrt(norms * largest) + 4.0 * largest)
    underflow = D * float(np.finfo(np.float32).tiny)
    result: NDArray[np.float64] = rounding + underflow
    return result


@njit(cache=True)
def _by_distance(
    bits: NDArray[Any], i: int, columns: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return ascending columns and their distances to image i, by distance and then by index."""
    distances = np.empty(len(columns))
    for c in range(len(columns)):
        distances[c] = squared_distance(bits[i], bits[columns[c]])
    order = np.argsort(distances, kind="mergesort")  # stable
    return columns[order], distances[order]


@njit(cache=True, parallel=True)
def _rank_candidates(
    bits: NDArray[Any],
    candidates: NDArray[np.int32],
    certain_within: NDArray[np.float64],
    ranked: NDArray[np.int32],
) -> Any:
    """Fill (N, depth) `ranked`; return (N,) bool: no other image can be among a row's nearest.

    A row with a candidate of -1, for none, is not filled.
    """
    N, depth = ranked.shape
    certain = np.zeros(N, np.bool_)
    for i in prange(N):
        ascending = np.sort(candidates[i])
        if ascending[0] >= 0:
            columns, distances = _by_distance(bits, i, ascending)
            ranked[i] = columns[:depth]
            certain[i] = distances[depth - 1] < certain_within[i]
    return certain


@njit(cache=True, parallel=True)
def _rank_all(bits: NDArray[Any], rows: NDArray[np.int64], ranked: NDArray[np.int32]) -> None:
    """Fill these rows of `ranked` from the distances to all images, however many are equal."""
    N, depth = bits.shape[0], ranked.shape[1]
    everyone = np.arange(N).astype(np.int32)
    for r in prange(len(rows)):
        i = rows[r]
        others = np.concatenate((everyone[:i], everyone[i + 1 :]))
        ranked[i] = _by_distance(bits, i, others)[0][:depth]
