"""Ranked lists: for every image the nearest others.

A search finds slightly more candidates than are wanted; their distances are then computed again one
by one in float64 and sorted. So the order depends neither on the device nor on the number of
threads nor on where in a block a row lies, as the last bits of a matrix product do.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, prange, types
from numba.extending import overload
from numpy.typing import NDArray

from pplr.errors import DataError
from pplr.search import MIN_INDEX_IMAGES, candidates_by_index, exact_candidates

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
        `exact`, or `approximate`: from 10,000 images on, some of the nearest may be missing.
    device
        Where the exact search looks for candidates. It changes the time, not the result.

    Returns
    -------
    (N, min(depth, N-1)) int32 rows of `features`. The image itself is left out by its index, so
    that bit-equal duplicates of it stay; equal distances go by index.

    Raises
    ------
    DataError
        If a feature is NaN or infinite, or too large for its square to be a float32.
    """
    N, D = features.shape
    depth = max(0, min(depth, N - 1))
    norms = squared_norms(features)
    if depth == 0:
        return np.empty((N, 0), np.int32)
    width = min(depth + SPARE_CANDIDATES, N - 1)
    certain_within = np.full(N, np.inf)
    if search == "approximate" and N >= MIN_INDEX_IMAGES:
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


def squared_norms(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the (N,) squared Euclidean norms of (N, D) features.

    Raises
    ------
    DataError
        If a feature is NaN or infinite, or too large for its square to be a float32.
    """
    assert features.dtype in (np.float16, np.float32), features.dtype
    norms: NDArray[np.float64] = _squared_norms(float_bits(features))
    unusable = np.flatnonzero(~(norms < np.finfo(np.float32).max / 8))
    if len(unusable):
        raise DataError(
            what="Features hold NaN, infinite or huge values.",
            where=f"row {unusable[0]} of the features, the first of {len(unusable)} such rows",
            value=f"squared norm {norms[unusable[0]]}",
            allowed="finite features",
            next_step="look at the training losses before this alternation; a lower lr often helps",
        )
    return norms


def pair_distances(
    features: NDArray[np.floating], others: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return the (N,) squared distance of each row of (N, D) features to the row `others` names."""
    distances: NDArray[np.float64] = _pair_distances(float_bits(features), others)
    return distances


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


def float_bits(features: NDArray[np.floating]) -> NDArray[Any]:
    """Return features as compiled loops can read them: float16, which they lack, as its bits."""
    features = np.ascontiguousarray(features)  # one part's features are a strided view
    return features.view(np.uint16) if features.dtype == np.float16 else features


def _value(x: float) -> float:
    """Stand for the compiled conversions below."""
    raise NotImplementedError


@overload(_value, strict=False)  # strictly, annotations would have to match as well
def _compile_value(x: types.Type) -> Callable[[Any], Any]:
    """Return the conversion to float32 for the type of x: float32, or the bits of a float16."""
    if isinstance(x, types.Float):
        return lambda x: x
    return _float16_value


def _float16_value(x: Any) -> Any:
    """Return a finite float16, given by its bits, as a float32 of the same value.

    The 10 bits of the mantissa move up to the float32's 23; 2^112 mends the exponent, whose bias
    is 15 in one and 127 in the other, and makes subnormal numbers right as well.
    """
    bits = np.uint32(x)
    size = np.uint32((bits & np.uint32(0x7FFF)) << np.uint32(13)).view(np.float32)
    size = size * np.float32(2.0**112)
    return size if bits < np.uint32(0x8000) else -size


# Additions may be reordered to use vector instructions; the order is fixed once compiled.
@njit(cache=True, fastmath={"reassoc", "contract"})
def squared_distance(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the squared Euclidean distance of two rows of float bits, summed in float64."""
    total = 0.0
    for d in range(a.size):
        difference = np.float64(_value(a[d])) - np.float64(_value(b[d]))
        total += difference * difference
    return total


@njit(cache=True, parallel=True)
def _squared_norms(bits: NDArray[Any]) -> Any:
    norms = np.empty(bits.shape[0])
    for i in prange(bits.shape[0]):
        total = 0.0
        for d in range(bits.shape[1]):
            value = np.float64(_value(bits[i, d]))
            total += value * value
        norms[i] = total
    return norms


@njit(cache=True, parallel=True)
def _pair_distances(bits: NDArray[Any], others: NDArray[np.integer]) -> Any:
    distances = np.empty(len(others))
    for i in prange(len(others)):
        distances[i] = squared_distance(bits[i], bits[others[i]])
    return distances


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
