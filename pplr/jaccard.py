"""k-reciprocal encoding and its Jaccard distance, sparse from end to end.

After Zhong et al., "Re-ranking person re-identification with k-reciprocal encoding" (CVPR 2017),
which PPLR clusters on. Rows are worked on in chunks by threads; each chunk returns what it keeps,
so that memory grows with the pairs kept and not with the pairs looked at.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import get_num_threads, njit, prange
from numpy.typing import NDArray
from scipy import sparse

from pplr.errors import SettingError
from pplr.ranking import float_bits, squared_distance

MIN_CHUNK = 512  # rows
# Sparse rows one after another: how many entries each has, their columns, their values.
Rows = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]


def k_reciprocal_encoding(
    features: NDArray[np.floating], ranked: NDArray[np.int32], *, k1: int, k2: int
) -> sparse.csr_array:
    """Return each image's k-reciprocal neighbours, weighted by nearness, as a sparse row.

    The expanded k-reciprocal set of an image gets softmax(−squared Euclidean distance) as weights;
    then the rows of the image and its k2-1 nearest are averaged.

    Parameters
    ----------
    features
        (N, D) float16 or float32.
    ranked
        (N, ≥ k1-1) int32, as `ranked_list` returns it; fewer columns only if there are no more
        images.
    k1
        Size of the neighbourhood, the image itself included; more than N is as good as N.
    k2
        How many rows are averaged, the image's own included; 1 averages nothing.

    Returns
    -------
    (N, N) float32 CSR, in [0, 1], rows sum to 1, columns sorted.

    Raises
    ------
    SettingError
        If not 1 ≤ k2 ≤ k1.
    """
    _check_neighbourhoods(k1, k2)
    N = len(features)
    assert ranked.shape[1] >= min(k1, N) - 1, "the ranked lists are shorter than k1-1"
    itself = np.arange(N, dtype=np.int32)[:, None]
    lists = np.hstack([itself, ranked[:, : k1 - 1]])  # (N, at most k1)
    mutual = _mutual(lists)
    half_lists = np.ascontiguousarray(lists[:, : round(k1 / 2) + 1])
    half_mutual = _mutual(half_lists)
    bits = float_bits(features)
    weights = _in_chunks(_weigh_rows, N, bits, lists, mutual, half_lists, half_mutual)
    encoding = _csr(*weights)
    return encoding if k2 == 1 else _average_rows(encoding, lists[:, :k2])


def jaccard_distance(encoding: sparse.csr_array, *, max_distance: float) -> sparse.csr_array:
    """Return the Jaccard distances that are below 1 and at most `max_distance`.

    With s the sum of minima of two rows, the distance is 1 − s/(2 − s), because rows sum to 1. Here
    2 is the sum of the two rows as rounded, so that equal rows are at 0 exactly; and as rounding
    keeps order, no distance is below 0.

    Parameters
    ----------
    encoding
        (N, N) float32 CSR, not negative, rows sum to 1, columns sorted.
    max_distance
        The largest distance stored.

    Returns
    -------
    (N, N) float32 CSR, symmetric, columns sorted. Zeros (the diagonal, duplicates) are stored; a
    pair that is not stored is farther than `max_distance` or at distance 1.
    """
    assert encoding.has_sorted_indices, "sums of equal rows would not be equal"
    N = encoding.shape[0]
    columns = encoding.tocsc()  # rows of each column ascend
    row_sums = encoding @ np.ones(N, np.float32)  # added up in the order in which the minima are
    upper = _in_chunks(
        _near_pairs,
        N,
        (encoding.indptr, encoding.indices, encoding.data),
        (columns.indptr, columns.indices, columns.data),
        row_sums,
        np.float32(max_distance),
    )
    return _symmetric(*upper)


def _check_neighbourhoods(k1: int, k2: int) -> None:
    if not 1 <= k2 <= k1:
        raise SettingError(
            what="k2 averages over neighbours that k1 has not searched.",
            where="k1, k2",
            value=f"k1 {k1}, k2 {k2}",
            allowed="1 ≤ k2 ≤ k1",
            next_step="lower k2 or raise k1; the paper's are 6 and 30",
        )


def _in_chunks(kernel: Callable[..., Rows], N: int, *arrays: Any) -> Rows:
    """Return the kernel's rows 0 … N-1, worked out in chunks by as many threads as Numba has."""
    # Each chunk costs an array of N to set up, hence at most 64 of them.
    size = max(MIN_CHUNK, -(-N // 64))
    starts = range(0, N, size)
    with ThreadPoolExecutor(get_num_threads()) as pool:
        chunks = list(pool.map(lambda start: kernel(start, min(start + size, N), *arrays), starts))
    counts, columns, values = zip(*chunks, strict=True)
    return np.concatenate(counts), np.concatenate(columns), np.concatenate(values)


def _csr(
    counts: NDArray[np.int32], columns: NDArray[np.int32], values: NDArray[np.float32]
) -> sparse.csr_array:
    N = len(counts)
    indptr = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    if indptr[-1] <= np.iinfo(np.int32).max:
        indptr = indptr.astype(np.int32)  # scipy gives the columns the same type
    matrix = sparse.csr_array((values, columns, indptr), shape=(N, N))
    matrix.has_sorted_indices = True
    return matrix


def _symmetric(
    counts: NDArray[np.int32], columns: NDArray[np.int32], values: NDArray[np.float32]
) -> sparse.csr_array:
    """Return the (N, N) matrix whose upper triangle has these rows; zeros stay stored."""
    N = len(counts)
    rows = np.repeat(np.arange(N, dtype=np.int32), counts)
    off = rows != columns
    # The lower triangle first: then each row's columns ascend.
    both_rows = np.concatenate([columns[off], rows])
    both_columns = np.concatenate([rows[off], columns])
    both_values = np.concatenate([values[off], values])
    return sparse.coo_array((both_values, (both_rows, both_columns)), shape=(N, N)).tocsr()


def _average_rows(encoding: sparse.csr_array, lists: NDArray[np.int32]) -> sparse.csr_array:
    """Return (N, N): each row the mean of the encoding's rows in its (N, k2) list."""
    N, k2 = lists.shape
    shares = np.full(N * k2, 1 / k2, np.float32)
    ends = np.arange(0, N * k2 + 1, k2, dtype=np.int32)
    # Added up in index order, so that the same neighbours give the same bits.
    mean = sparse.csr_array((shares, np.sort(lists, axis=1).ravel(), ends), shape=(N, N))
    averaged: sparse.csr_array = mean @ encoding
    averaged.sort_indices()
    return averaged


@njit(cache=True, parallel=True)
def _mutual(lists: NDArray[np.int32]) -> Any:
    """Return (N, k) bool: the image itself is in the list of the image at this place of its own."""
    N, k = lists.shape
    mutual = np.zeros((N, k), np.bool_)
    for i in prange(N):
        for place in range(k):
            for other in lists[lists[i, place]]:
                if other == i:
                    mutual[i, place] = True
                    break
    return mutual


@njit(cache=True, nogil=True)
def _weigh_rows(
    start: int,
    stop: int,
    bits: NDArray[Any],
    lists: NDArray[np.int32],
    mutual: NDArray[np.bool_],
    half_lists: NDArray[np.int32],
    half_mutual: NDArray[np.bool_],
) -> Any:
    """Return the rows from start to stop, before averaging."""
    counts = np.empty(stop - start, np.int32)
    columns = np.empty((stop - start) * lists.shape[1], np.int32)
    values = np.empty(len(columns), np.float32)
    seen = np.full(len(lists), -1, np.int64)  # 2i: reciprocal to i, 2i+1: added by expansion
    expanded = np.empty(lists.shape[1] * (1 + half_lists.shape[1]), np.int32)
    end = 0
    for i in range(start, stop):
        count = _expand(i, lists, mutual, half_lists, half_mutual, seen, expanded)
        while end + count > len(columns):
            columns, values = _grown(columns), _grown(values)
        neighbors = np.sort(expanded[:count])
        weights = np.empty(count)
        for n in range(count):
            weights[n] = np.exp(-squared_distance(bits[i], bits[neighbors[n]]))
        columns[end : end + count] = neighbors
        values[end : end + count] = weights / weights.sum()  # the image itself adds exp(0)
        counts[i - start] = count
        end += count
    return counts, columns[:end].copy(), values[:end].copy()


@njit(cache=True, nogil=True)
def _expand(
    i: int,
    lists: NDArray[np.int32],
    mutual: NDArray[np.bool_],
    half_lists: NDArray[np.int32],
    half_mutual: NDArray[np.bool_],
    seen: NDArray[np.int64],
    expanded: NDArray[np.int32],
) -> int:
    """Write the expanded k-reciprocal set of image i into `expanded`; return its size."""
    count = 0
    for place in range(lists.shape[1]):
        if mutual[i, place]:
            seen[lists[i, place]] = 2 * i
            expanded[count] = lists[i, place]
            count += 1
    for candidate in expanded[:count].copy():
        half = half_lists[candidate][half_mutual[candidate]]
        overlap = 0
        for j in half:
            overlap += seen[j] == 2 * i
        if 3 * overlap > 2 * len(half):
            for j in half:
                if seen[j] < 2 * i:
                    seen[j] = 2 * i + 1
                    expanded[count] = j
                    count += 1
    return count


@njit(cache=True, nogil=True)
def _near_pairs(
    start: int,
    stop: int,
    by_row: tuple[Any, Any, Any],
    by_column: tuple[Any, Any, Any],
    row_sums: NDArray[np.float32],
    max_distance: np.float32,
) -> Any:
    """Return the distances of rows from start to stop to themselves and to the rows after them."""
    row_ends, row_columns, row_values = by_row
    column_ends, column_rows, column_values = by_column
    counts = np.empty(stop - start, np.int32)
    columns = np.empty((stop - start) * 16, np.int32)
    values = np.empty(len(columns), np.float32)
    minima = np.zeros(len(row_sums), np.float32)  # sums of minima of row i with every row
    touched = np.empty(len(row_sums) + 1, np.int32)
    end = 0
    for i in range(start, stop):
        num_touched = 0
        for p in range(row_ends[i], row_ends[i + 1]):
            column = row_columns[p]
            for q in range(column_ends[column + 1] - 1, column_ends[column] - 1, -1):
                r = column_rows[q]
                if r < i:
                    break
                smaller = min(row_values[p], column_values[q])
                touched[num_touched] = r  # kept by counting it, if it is new
                num_touched += minima[r] == 0 and smaller > 0
                minima[r] += smaller
        while end + num_touched > len(columns):
            columns, values = _grown(columns), _grown(values)
        kept = 0
        for r in touched[:num_touched]:
            s = minima[r]
            minima[r] = np.float32(1) - s / (row_sums[i] + row_sums[r] - s)
            if minima[r] < 1 and minima[r] <= max_distance:
                touched[kept] = r
                kept += 1
            else:
                minima[r] = 0
        kept_rows = np.sort(touched[:kept])
        columns[end : end + kept] = kept_rows
        values[end : end + kept] = minima[kept_rows]
        minima[kept_rows] = 0
        counts[i - start] = kept
        end += kept
    return counts, columns[:end].copy(), values[:end].copy()


@njit(cache=True, nogil=True)
def _grown(array: NDArray[Any]) -> Any:
    """Return a copy with twice the room."""
    grown = np.empty(2 * len(array) + 64, array.dtype)
    grown[: len(array)] = array
    return grown
