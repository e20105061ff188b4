"""The Jaccard distance of k-reciprocal encodings, sparse: memory grows with the pairs kept."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import sparse

from pplr.checks import check_sparse, too_many_pairs
from pplr.jaccard.rows import csr, grown, mirrored, rows_by_chunks

# Pairs held, some 4 GiB. Images in clusters have some twenty near ones each; more than this are
# near only where a few images are the nearest of nearly all.
MAX_PAIRS = 2**27


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
    DataError
        If a weight is NaN or infinite.
    """
    check_sparse(encoding.data, "encoding")
    N = encoding.shape[0]
    upper = _upper_rows(encoding, N, 0, max_distance)
    ends, columns, distances = mirrored(upper.indptr, upper.indices, upper.data)
    return csr(ends, columns, distances, N)


def jaccard_distance_to_rest(encoding: sparse.csr_array, num_rows: int) -> sparse.csr_array:
    """Return the (num_rows, N − num_rows) distances below 1 of the first rows to the others.

    They are those of `jaccard_distance`; pairs that are not asked for are not held.

    Raises
    ------
    ClusteringError
        More than `MAX_PAIRS` pairs are as near as that.
    """
    return _upper_rows(encoding, num_rows, num_rows, 1.0)[:, num_rows:]


def _upper_rows(
    encoding: sparse.csr_array, num_rows: int, first_column: int, max_distance: float
) -> sparse.csr_array:
    """Return (num_rows, N): the distances of each of the first images to itself and later ones.

    Those to images before `first_column` are left out.
    """
    assert encoding.has_sorted_indices, "sums of equal rows would not be equal"
    N = encoding.shape[0]
    columns = encoding.tocsc()  # rows of each column ascend
    try:
        return rows_by_chunks(
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
        raise too_many_pairs(N, max_distance, MAX_PAIRS) from None


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
    """Return the distances of rows order[start:stop], as `_upper_rows` does of all.

    All threads count in `found` how many they have, roughly, as none waits for another; after more
    than `most` no more are looked for.
    """
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
        lowest = max(i, first_column)
        num_touched = _add_minima(i, lowest, least, by_row, by_column, row_sums[i], minima, touched)
        while end + num_touched > len(columns):
            columns, values = grown(columns), grown(values)
        kept = _keep_near(i, max_distance, row_sums, minima, touched, num_touched)
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


@njit(cache=True, nogil=True)
def _add_minima(
    i: int,
    lowest: int,
    least: np.float32,
    by_row: tuple[Any, Any, Any],
    by_column: tuple[Any, Any, Any],
    row_sum: np.float32,
    minima: NDArray[np.float32],
    touched: NDArray[np.int32],
) -> int:
    """Add up in `minima` those of row i with the rows from `lowest` on; return how many have some.

    Their numbers are put in `touched`. A row whose sum cannot reach `least` may be left out.
    """
    row_ends, row_columns, row_values = by_row
    column_ends, column_rows, column_values = by_column
    num_touched = 0
    rest = row_sum  # what the columns from p on can add to a sum of minima
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
    return num_touched


@njit(cache=True, nogil=True)
def _keep_near(
    i: int,
    max_distance: np.float32,
    row_sums: NDArray[np.float32],
    minima: NDArray[np.float32],
    touched: NDArray[np.int32],
    num_touched: int,
) -> int:
    """Make distances to row i of the sums in `minima`; return how many of them are near.

    Those come first in `touched`; the others are 0 again in `minima`.
    """
    kept = 0
    for r in touched[:num_touched]:
        s = minima[r]
        minima[r] = np.float32(1) - s / (row_sums[i] + row_sums[r] - s)
        if minima[r] < 1 and minima[r] <= max_distance:
            touched[kept] = r
            kept += 1
        else:
            minima[r] = 0
    return kept
