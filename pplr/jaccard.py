"""k-reciprocal encoding and its Jaccard distance, sparse from end to end.

After Zhong et al., "Re-ranking person re-identification with k-reciprocal encoding" (CVPR 2017),
which PPLR clusters on. Memory grows with the pairs kept and not with the pairs looked at. Rows are
worked out by their first neighbour: those that share it mostly share others.
"""

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy import sparse

from pplr.errors import ClusteringError, SettingError
from pplr.ranking import float_bits, squared_distance
from pplr.rows import csr, grown, mirrored, worked_out_rows

# Pairs held, some 4 GiB. Images in clusters have some twenty near ones each; more than this are
# near only where a few images are the nearest of nearly all.
MAX_PAIRS = 2**27


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
    units = np.ones(N) if units is None else units
    order = np.argsort(np.where(mutual, lists, N).min(axis=1), kind="stable")
    encoding = worked_out_rows(
        _weigh_rows, order, N, bits, units, lists, mutual, half_lists, half_mutual
    )
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

    Raises
    ------
    ClusteringError
        If more than `MAX_PAIRS` pairs are as near as that.
    """
    N = encoding.shape[0]
    upper = _upper_rows(encoding, N, 0, max_distance)
    ends, columns, distances = mirrored(upper.indptr, upper.indices, upper.data)
    return csr(ends, columns, distances, N)


def jaccard_distance_to_rest(encoding: sparse.csr_array, num_rows: int) -> sparse.csr_array:
    """Return the (num_rows, N − num_rows) distances below 1 of the first rows to the others.

    They are those of `jaccard_distance`; pairs that are not asked for are not held.
    """
    return _upper_rows(encoding, num_rows, num_rows, 1.0)[:, num_rows:]


def _upper_rows(
    encoding: sparse.csr_array, num_rows: int, first_column: int, max_distance: float
) -> sparse.csr_array:
    """Return the (num_rows, N) first rows' distances from the diagonal, or `first_column`, on."""
    assert encoding.has_sorted_indices, "sums of equal rows would not be equal"
    N = encoding.shape[0]
    columns = encoding.tocsc()  # rows of each column ascend
    try:
        return worked_out_rows(
            _near_pairs,
            np.argsort(encoding.indices[encoding.indptr[:num_rows]], kind="stable"),
            N,
            (encoding.indptr, encoding.indices, encoding.data),
            (columns.indptr, columns.indices, columns.data),
            encoding @ np.ones(N, np.float32),  # added up in the order in which the minima are
            np.float32(max_distance),
            first_column,
            np.zeros(1, np.int64),
            MAX_PAIRS,
            most=MAX_PAIRS,
        )
    except OverflowError:
        raise ClusteringError(
            what="Nearly all images are near each other: a few are the nearest of all.",
            where="the features, eps",
            value=f"more than {MAX_PAIRS} pairs of {N} images within {max_distance}",
            allowed=f"{MAX_PAIRS} pairs",
            next_step="lower `eps` or, at evaluation, set `rerank: false`; or look at the "
            "losses before: features may have collapsed, and a lower lr often helps",
        ) from None


def _check_neighbourhoods(k1: int, k2: int) -> None:
    if not 1 <= k2 <= k1:
        raise SettingError(
            what="k2 averages over neighbours that k1 has not searched.",
            where="k1, k2",
            value=f"k1 {k1}, k2 {k2}",
            allowed="1 ≤ k2 ≤ k1",
            next_step="lower k2 or raise k1; the paper's are 6 and 30",
        )


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


@njit(cache=True, nogil=True)
def _near_pairs(
    start: int,
    stop: int,
    order: NDArray[np.int64],
    by_row: tuple[Any, Any, Any],
    by_column: tuple[Any, Any, Any],
    row_sums: NDArray[np.float32],
    max_distance: np.float32,
    first_column: int,
    found: NDArray[np.int64],
    most: int,
) -> Any:
    """Return the distances of rows order[start:stop] from the diagonal, or `first_column`, on.

    All threads count in `found` how many they have, roughly, as none waits for another; after more
    than `most` no more are looked for.
    """
    row_ends, row_columns, row_values = by_row
    column_ends, column_rows, column_values = by_column
    counts = np.zeros(stop - start, np.int32)
    columns = np.empty((stop - start) * 16, np.int32)
    values = np.empty(len(columns), np.float32)
    minima = np.zeros(len(row_sums), np.float32)  # sums of minima of row i with every row
    touched = np.empty(len(row_sums) + 1, np.int32)
    # The least sum of minima of a near pair, and a little less for what is lost in rounding.
    least = np.float32(2 * (1 - max_distance) / (2 - max_distance) - 1e-4)
    end = 0
    for place in range(start, stop):
        i = order[place]
        num_touched = 0
        lowest = max(i, first_column)
        rest = row_sums[i]  # what the columns from p on can add to a sum of minima
        for p in range(row_ends[i], row_ends[i + 1]):
            column = row_columns[p]
            first_seen_is_far = rest < least
            rest -= row_values[p]
            for q in range(column_ends[column + 1] - 1, column_ends[column] - 1, -1):
                r = column_rows[q]
                if r < lowest:
                    break
                if first_seen_is_far and minima[r] == 0:
                    continue
                smaller = min(row_values[p], column_values[q])
                touched[num_touched] = r  # kept by counting it, if it is new
                num_touched += minima[r] == 0 and smaller > 0
                minima[r] += smaller
        while end + num_touched > len(columns):
            columns, values = grown(columns), grown(values)
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
        counts[place - start] = kept
        end += kept
        found[0] += kept
        if found[0] > most:
            break
    return counts, columns[:end].copy(), values[:end].copy()
