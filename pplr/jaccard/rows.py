"""Sparse rows: computed in chunks by threads, put together, made symmetric."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import get_num_threads, njit
from numpy.typing import NDArray
from scipy import sparse

MIN_CHUNK = 512  # rows


def rows_by_chunks(
    kernel: Callable[..., Any],
    order: NDArray[np.integer],
    N: int,
    *arrays: Any,
    most: int | None = None,
) -> sparse.csr_array:
    """Return a matrix whose rows a kernel computes, in chunks, by as many threads as Numba has.

    Parameters
    ----------
    kernel
        Given where in `order` to start and to stop, `order` and the arrays, it returns how many
        entries each of these rows has, their columns, sorted, and their values.
    order
        (M,) the rows in the order in which they are computed. Rows that read the same should be
        near each other in it, so that it is in the processor's cache.
    N
        How many columns there are.
    arrays
        What the kernel reads.
    most
        How many entries there may be; None is no bound.

    Returns
    -------
    (M, N) float32 CSR, rows by their number; zeros stay stored.

    Raises
    ------
    OverflowError
        If there are more than `most` entries; the rest of them is then not computed.
    """
    M = len(order)
    # Each chunk costs an array of N to set up, hence at most 64 of them.
    size = max(MIN_CHUNK, -(-M // 64))
    chunks = []
    with ThreadPoolExecutor(get_num_threads()) as pool:
        for chunk in pool.map(
            lambda start: kernel(start, min(start + size, M), order, *arrays),
            range(0, max(M, 1), size),
        ):
            chunks.append(chunk)
            if most is not None and sum(len(columns) for _, columns, _ in chunks) > most:
                pool.shutdown(cancel_futures=True)
                raise OverflowError
    counts, columns, values = map(np.concatenate, zip(*chunks, strict=True))
    ends = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    return csr(ends, columns, values, N)[np.argsort(order)]


def csr(
    ends: NDArray[np.int64], columns: NDArray[np.int32], values: NDArray[np.float32], N: int
) -> sparse.csr_array:
    """Return rows of sorted columns as a matrix of N columns."""
    if ends[-1] <= np.iinfo(np.int32).max:
        ends = ends.astype(np.int32)  # scipy gives the columns the same type
    matrix = sparse.csr_array((values, columns, ends), shape=(len(ends) - 1, N))
    matrix.has_sorted_indices = True
    return matrix


@njit(cache=True)
def mirrored(ends: NDArray[Any], columns: NDArray[np.int32], values: NDArray[np.float32]) -> Any:
    """Return ends, columns and values of the symmetric matrix whose upper triangle these are."""
    N = len(ends) - 1
    all_ends = np.zeros(N + 1, np.int64)
    for i in range(N):
        for j in columns[ends[i] : ends[i + 1]]:
            all_ends[i + 1] += 1
            all_ends[j + 1] += j != i
    all_ends = np.cumsum(all_ends)
    place = all_ends[:-1].copy()
    all_columns = np.empty(all_ends[-1], np.int32)
    all_values = np.empty(all_ends[-1], np.float32)
    for i in range(N):  # row i's columns before i are in it by now, so they ascend
        for p in range(ends[i], ends[i + 1]):
            j = columns[p]
            all_columns[place[i]], all_values[place[i]] = j, values[p]
            place[i] += 1
            if j != i:
                all_columns[place[j]], all_values[place[j]] = i, values[p]
                place[j] += 1
    return all_ends, all_columns, all_values


@njit(cache=True, nogil=True)
def grown(array: NDArray[Any]) -> Any:
    """Return a copy with twice the room."""
    larger = np.empty(2 * len(array) + 64, array.dtype)
    larger[: len(array)] = array
    return larger
