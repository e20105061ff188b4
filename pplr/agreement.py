"""Cross agreement: how far the neighbours in a part's feature space are the global ones."""

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray


def cross_agreement(
    global_ranked: NDArray[np.int32], part_ranked: NDArray[np.int32], *, k: int
) -> NDArray[np.float32]:
    """Return the Jaccard similarity of each part's k nearest images with the global k nearest.

    The paper's Eq. 6; the image itself is in none of the lists.

    Parameters
    ----------
    global_ranked
        (N, ≥ k) int32, as `ranked_list` returns it; fewer columns only if there are no more images.
    part_ranked
        (N, P, ≥ k) int32, the same for each of P parts.
    k
        How many neighbours are compared; with fewer other images, all of them are.

    Returns
    -------
    (N, P) float32 in [0, 1]: 1 where both lists hold the same images, in whatever order, and 0 for
    an image that is alone, about which nothing is known.
    """
    N, P, part_depth = part_ranked.shape
    assert len(global_ranked) == N, "global and part lists are of different images"
    k = min(k, N - 1)
    assert min(global_ranked.shape[1], part_depth) >= k, "the ranked lists are shorter than k"
    agreement = np.zeros((N, P), np.float32)
    if k > 0:
        _overlaps(
            np.ascontiguousarray(global_ranked[:, :k]),
            np.ascontiguousarray(part_ranked[:, :, :k]),
            agreement,
        )
    return agreement


def part_agreement(part_ranked: NDArray[np.int32], *, k: int) -> NDArray[np.float32]:
    """Return the agreement of the parts' spaces with each other, Sec. 4.2.

    Parameters
    ----------
    part_ranked
        (N, P, ≥ k) int32, as `ranked_list` returns it for each of P parts.
    k
        How many neighbours are compared, as in `cross_agreement`.

    Returns
    -------
    (N, P, P) float32 in [0, 1], symmetric in the parts.
    """
    parts = range(part_ranked.shape[1])
    return np.stack([cross_agreement(part_ranked[:, p], part_ranked, k=k) for p in parts], axis=1)


@njit(cache=True, parallel=True)
def _overlaps(
    global_ranked: NDArray[np.int32], part_ranked: NDArray[np.int32], agreement: NDArray[np.float32]
) -> None:
    """Fill (N, P) agreement; a list holds no image twice."""
    N, P, k = part_ranked.shape
    for i in prange(N):
        for part in range(P):
            common = 0
            for a in range(k):
                for b in range(k):
                    common += part_ranked[i, part, a] == global_ranked[i, b]
            agreement[i, part] = common / (2 * k - common)
