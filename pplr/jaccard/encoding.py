"""k-reciprocal encoding: each image as a sparse row over its k-reciprocal neighbours.

After Zhong et al., "Re-ranking person re-identification with k-reciprocal encoding" (CVPR 2017),
which PPLR clusters on. Rows are computed by their first neighbour: those that share it mostly share
others.
"""

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy import sparse

from pplr.checks import check_neighborhoods
from pplr.jaccard.rows import grown, rows_by_chunks
from pplr.ranking.distances import float_bits, squared_distance, squared_norms


def k_reciprocal_encoding(
    features: NDArray[np.floating],
    ranked: NDArray[np.int32],
    *,
    k1: int,
    k2: int,
    units: NDArray[np.float64] | None = None,
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
    units
        (N,) what each image's squared distances are divided by before the softmax; None is 1.

    Returns
    -------
    (N, N) float32 CSR, in [0, 1], rows sum to 1, columns sorted.

    Raises
    ------
    SettingError
        If not 1 ≤ k2 ≤ k1.
    DataError
        As `ranked_list`, of the features.
    """
    check_neighborhoods(k1, k2)
    squared_norms(features)  # only for its check
    N = len(features)
    assert ranked.shape[1] >= min(k1, N) - 1, "the ranked lists are shorter than k1-1"
    itself = np.arange(N, dtype=np.int32)[:, None]
    lists = np.hstack([itself, ranked[:, : k1 - 1]])  # (N, at most k1)
    mutual = _mutual(lists)
    half_lists = np.ascontiguousarray(lists[:, : round(k1 / 2) + 1])
    half_mutual = _mutual(half_lists)
    bits = float_bits(features)
    units = np.ones(N) if units is None else units
    order = np.argsort(np.where(mutual, lists, N).min(axis=1), kind="stable")
    encoding = rows_by_chunks(
        _weigh_rows, order, N, bits, units, lists, mutual, half_lists, half_mutual
    )
    return encoding if k2 == 1 else _average_rows(encoding, lists[:, :k2])


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
    order: NDArray[np.int64],
    bits: NDArray[Any],
    units: NDArray[np.float64],
    lists: NDArray[np.int32],
    mutual: NDArray[np.bool_],
    half_lists: NDArray[np.int32],
    half_mutual: NDArray[np.bool_],
) -> Any:
    """Return the rows order[start:stop], before averaging."""
    counts = np.empty(stop - start, np.int32)
    columns = np.empty((stop - start) * lists.shape[1], np.int32)
    values = np.empty(len(columns), np.float32)
    seen = np.full(len(lists), -1, np.int64)  # 2p: reciprocal to image p, 2p+1: added
    expanded = np.empty(lists.shape[1] * (1 + half_lists.shape[1]), np.int32)
    end = 0
    for place in range(start, stop):
        i = order[place]
        count = _expand(i, 2 * place, lists, mutual, half_lists, half_mutual, seen, expanded)
        while end + count > len(columns):
            columns, values = grown(columns), grown(values)
        neighbors = np.sort(expanded[:count])
        weights = np.empty(count)
        for n in range(count):
            weights[n] = np.exp(-squared_distance(bits[i], bits[neighbors[n]]) / units[i])
        columns[end : end + count] = neighbors
        values[end : end + count] = weights / weights.sum()  # the image itself adds exp(0)
        counts[place - start] = count
        end += count
    return counts, columns[:end].copy(), values[:end].copy()


@njit(cache=True, nogil=True)
def _expand(
    i: int,
    mark: int,
    lists: NDArray[np.int32],
    mutual: NDArray[np.bool_],
    half_lists: NDArray[np.int32],
    half_mutual: NDArray[np.bool_],
    seen: NDArray[np.int64],
    expanded: NDArray[np.int32],
) -> int:
    """Write the expanded k-reciprocal set of image i into `expanded`; return its size.

    Members get `mark` in `seen`, or one more where expansion adds them; marks rise.
    """
    count = 0
    for place in range(lists.shape[1]):
        if mutual[i, place]:
            seen[lists[i, place]] = mark
            expanded[count] = lists[i, place]
            count += 1
    for candidate in expanded[:count].copy():
        half = half_lists[candidate][half_mutual[candidate]]
        overlap = 0
        for j in half:
            overlap += seen[j] == mark
        if 3 * overlap > 2 * len(half):
            for j in half:
                if seen[j] < mark:
                    seen[j] = mark + 1
                    expanded[count] = j
                    count += 1
    return count
