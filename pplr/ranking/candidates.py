"""Candidates for the ranked lists: for every image, a few more near ones than are wanted.

Three ways to find them: a blocked matrix product on the CPU, faiss's exact search on a GPU, and an
inverted-file index of faiss, which looks at some of the images only. `pplr.ranking.lists` measures
again what they find; what they give need not be sorted, nor be precise to the last bit.

Searching means this here, looking for candidates among the images of one space, exactly or not as
the setting `search` says. The command `pplr search` is another thing: it asks a finished model for
the images like a new one.

The product is NumPy's and faiss is imported where it searches: exact search on a CPU, the common
case, need not wait for the import of either torch or faiss.
"""

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

BLOCK = 4096  # rows and columns of one product: 64 MiB
STRIP = 64  # columns looked at together
QUERY_BLOCK = 65536  # rows searched in an index at a time

# The index. Fewer images are searched exactly, which takes seconds.
MIN_INDEX_IMAGES = 10_000
TRAINING_IMAGES = 39  # for each list's centroid; faiss wants no fewer
TRAINING_ROUNDS = 10
PROBED_LISTS = 64
FEATURES_PER_CODE = 4  # each 4 numbers of a feature are looked up as one code of 4 bits
WIDENING = 3  # codes are coarse: so many times the candidates are taken from them

# (N, width) int32 columns, -1 for none; (N,) keys |b|²/2 − a·b of the farthest of them. No image
# that is not listed has a smaller key.
Candidates = tuple[NDArray[np.int32], NDArray[np.float32]]


def exact_candidates(
    features: NDArray[np.floating], norms: NDArray[np.float64], width: int, *, device: str
) -> Candidates:
    """Return the nearest by the way that fits the device.

    faiss's search on a GPU comes with faiss-gpu alone; without it the product serves, more slowly.
    """
    if device != "cpu":
        import faiss

        if hasattr(faiss, "StandardGpuResources"):  # faiss-cpu has knn_gpu, too
            return candidates_by_gpu(features, norms, width, device=device)
    return candidates_by_product(features, norms, width)


def candidates_by_product(
    features: NDArray[np.floating], norms: NDArray[np.float64], width: int
) -> Candidates:
    """Return the nearest by blocks of one half of the symmetric matrix product.

    The key |b|²/2 − a·b orders the columns b of one row a as the distance |a − b|² does. A block of
    products serves its rows, and turned over its columns; nothing but the best of each row is kept.

    Parameters
    ----------
    features
        (N, D) float16 or float32.
    norms
        (N,) their squared norms.
    width
        How many to find, below N.
    """
    N = len(features)
    half_norms = (norms / 2).astype(np.float32)
    keys = np.full((N, width), np.inf, np.float32)  # a heap in each row, the farthest first
    columns = np.full((N, width), -1, np.int32)
    room = np.empty(min(BLOCK, N) ** 2, np.float32)
    for top in range(0, N, BLOCK):
        rows = features[top : top + BLOCK].astype(np.float32, copy=False)
        for left in range(top, N, BLOCK):
            others = features[left : left + BLOCK].astype(np.float32, copy=False)
            products = room[: len(rows) * len(others)].reshape(len(rows), len(others))
            np.matmul(rows, others.T, out=products)
            _offer_columns(products, top, left, half_norms, keys, columns)
            if left > top:
                _offer_rows(products, top, left, half_norms, keys, columns)
    return columns, keys[:, 0].copy()


def candidates_by_gpu(
    features: NDArray[np.floating], norms: NDArray[np.float64], width: int, *, device: str
) -> Candidates:
    """Return the nearest by faiss's exact search on a GPU; parameters as above."""
    import faiss

    features = np.ascontiguousarray(features)  # else faiss makes two float32 copies of it
    _, _, number = device.partition(":")
    squared, found = faiss.knn_gpu(
        faiss.StandardGpuResources(), features, features, width + 1, device=int(number or 0)
    )
    farthest = (squared[:, -1] - norms) / 2
    return _without_itself(found), farthest.astype(np.float32)


def search_attributes(search: str, N: int) -> dict[str, Any]:
    """Return the attributes of stored lists of N images: how their candidates were searched.

    Parameters
    ----------
    search
        The setting, `exact` or `approximate`.
    N
        With few images the search is exact, whatever the setting.
    """
    assert search in ("exact", "approximate"), "each choice of the setting has its branch"
    if search == "exact" or N < MIN_INDEX_IMAGES:
        return {"search": "exact"}
    return {
        "search": "approximate",
        "index": "IVFPQFastScan",
        "nlist": min(round(4 * N**0.5), N // TRAINING_IMAGES),
        "nprobe": PROBED_LISTS,
        "candidates": f"{WIDENING} × (depth + 8), measured again exactly",
    }


def candidates_by_index(features: NDArray[np.floating], width: int) -> NDArray[np.int32]:
    """Return (N, 3 × width) near images by an inverted-file index of faiss; -1 for none.

    Each image lies in the list of its nearest centroid, as a product-quantised code; the lists of
    the nearest centroids of a query are searched whole (Jégou et al., TPAMI 2011; the codes are
    those of André et al., VLDB 2015). It runs on the CPU whatever the device.
    """
    import faiss

    N, D = features.shape
    D += -D % FEATURES_PER_CODE
    lists = search_attributes("approximate", N)["nlist"]
    index = faiss.IndexIVFPQFastScan(faiss.IndexFlatL2(D), D, lists, D // FEATURES_PER_CODE, 4)
    index.cp.niter = TRAINING_ROUNDS
    index.nprobe = PROBED_LISTS
    index.train(_padded(features[:: max(1, N // (TRAINING_IMAGES * lists))]))
    blocks = [slice(start, start + QUERY_BLOCK) for start in range(0, N, QUERY_BLOCK)]
    for block in blocks:
        index.add(_padded(features[block]))
    wide = min(WIDENING * width, N - 1)
    columns = np.empty((N, wide), np.int32)
    for block in blocks:
        found = index.search(_padded(features[block]), wide + 1)[1]
        columns[block] = _without_itself(found, block.start)
    return columns


def _padded(features: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the features as float32, with zeros up to a whole number of codes."""
    zeros = -features.shape[1] % FEATURES_PER_CODE
    return np.pad(features.astype(np.float32), ((0, 0), (0, zeros)))


def _without_itself(found: NDArray[np.int64], start: int = 0) -> NDArray[np.int32]:
    """Return (n, width): rows of width+1 without the row's own number, or else without the last."""
    itself = np.arange(start, start + len(found))[:, None]
    dropped = found == itself
    dropped[~dropped.any(axis=1), -1] = True
    rest: NDArray[np.int64] = found[~dropped].reshape(len(found), -1)
    return rest.astype(np.int32)


@njit(cache=True, parallel=True)
def _offer_columns(
    products: NDArray[np.float32],
    top: int,
    left: int,
    half_norms: NDArray[np.float32],
    keys: NDArray[np.float32],
    columns: NDArray[np.int32],
) -> None:
    """Put the columns of a block of products into the heaps of its rows."""
    num_rows, num_columns = products.shape
    for r in prange(num_rows):
        row = top + r
        for start in range(0, num_columns, STRIP):
            stop = min(start + STRIP, num_columns)
            worst = keys[row, 0]
            nearer = 0
            for c in range(start, stop):
                nearer += half_norms[left + c] - products[r, c] < worst
            if nearer:
                for c in range(start, stop):
                    key = half_norms[left + c] - products[r, c]
                    if key < keys[row, 0] and left + c != row:
                        _replace_farthest(keys[row], columns[row], key, left + c)


@njit(cache=True, parallel=True)
def _offer_rows(
    products: NDArray[np.float32],
    top: int,
    left: int,
    half_norms: NDArray[np.float32],
    keys: NDArray[np.float32],
    columns: NDArray[np.int32],
) -> None:
    """Put the rows of a block of products into the heaps of its columns."""
    num_rows, num_columns = products.shape
    for strip in prange(-(-num_columns // STRIP)):
        start = strip * STRIP
        stop = min(start + STRIP, num_columns)
        worst = keys[left + start : left + stop, 0].copy()
        for r in range(num_rows):
            half_norm = half_norms[top + r]
            nearer = 0
            for c in range(start, stop):
                nearer += half_norm - products[r, c] < worst[c - start]
            if nearer:
                for c in range(start, stop):
                    key = half_norm - products[r, c]
                    if key < worst[c - start]:
                        row = left + c
                        _replace_farthest(keys[row], columns[row], key, top + r)
                        worst[c - start] = keys[row, 0]


@njit(cache=True)
def _replace_farthest(
    keys: NDArray[np.float32], columns: NDArray[np.int32], key: Any, column: int
) -> None:
    """Replace the top of a heap and let the new one sink to its place."""
    place = 0
    while True:
        child = 2 * place + 1
        if child >= len(keys):
            break
        if child + 1 < len(keys) and keys[child + 1] > keys[child]:
            child += 1
        if keys[child] <= key:
            break
        keys[place] = keys[child]
        columns[place] = columns[child]
        place = child
    keys[place] = key
    columns[place] = column
