"""Distances of the queries to the gallery, a block of queries at a time.

Distances are computed in float64 and rounded to float32, so that they and the ties in them depend
neither on the device nor on the number of threads. Re-ranking finds each image's farthest one, the
unit of its distances, in float32: of two that are equally far to 1e-6, either.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from pplr.jaccard.distance import jaccard_distance_to_rest
from pplr.jaccard.encoding import k_reciprocal_encoding
from pplr.ranking.distances import pair_distances, squared_norms
from pplr.ranking.lists import ranked_list

QUERY_BLOCK = 256
FARTHEST_BLOCK = 2048

# Re-ranking, as its paper sets it for people; its k1 leaves the image itself out, ours counts it.
RERANK_K1 = 21
RERANK_K2 = 6
RERANK_LAMBDA = 0.3

DistanceBlocks = Iterator[NDArray[np.float32]]


def distance_blocks(
    q_features: NDArray[np.floating], g_features: NDArray[np.floating], *, device: str = "cpu"
) -> DistanceBlocks:
    """Yield the distances of one block of queries after the other, (≤ 256, G) float32.

    They are squared Euclidean, less the query's own squared norm, which does not change its order.

    Parameters
    ----------
    q_features, g_features
        (Q, D) and (G, D) float16 or float32, finite.
    device
        Where the distances are computed.

    Raises
    ------
    DataError
        If a feature is NaN, infinite or huge.
    """
    squared_norms(q_features)  # only for its check
    g_norms = torch.tensor(squared_norms(g_features), device=device)
    gallery = torch.tensor(g_features, dtype=torch.float64, device=device)
    for start in range(0, len(q_features), QUERY_BLOCK):
        block = slice(start, start + QUERY_BLOCK)
        queries = torch.tensor(q_features[block], dtype=torch.float64, device=device)
        # (block, G)
        yield torch.addmm(g_norms, queries, gallery.T, alpha=-2).float().cpu().numpy()


def reranked_blocks(
    q_features: NDArray[np.floating], g_features: NDArray[np.floating], *, device: str = "cpu"
) -> DistanceBlocks:
    """Yield the distances re-ranked by k-reciprocal encoding, in blocks as `distance_blocks`.

    They are 0.7 × the Jaccard distance + 0.3 × the squared Euclidean one, in units of the query's
    largest distance to any image (Zhong et al., CVPR 2017, Eq. 12; the units are their code's),
    less what the query's own squared norm adds, as in `distance_blocks`. The Jaccard distance is
    that of query and gallery images together; only what is below 1 is held.

    Parameters
    ----------
    q_features, g_features, device
        As of `distance_blocks`.

    Raises
    ------
    ClusteringError
        Nearly all images are near each other.
    DataError
        A feature is NaN, infinite or huge.
    """
    Q = len(q_features)
    features = np.concatenate([q_features, g_features])
    ranked = ranked_list(features, RERANK_K1 - 1, device=device)
    units = _farthest_distances(features, device)
    encoding = k_reciprocal_encoding(features, ranked, k1=RERANK_K1, k2=RERANK_K2, units=units)
    similarity = jaccard_distance_to_rest(encoding, Q)  # (Q, G), sparse: 1 is not stored …
    similarity.data = 1 - similarity.data  # … and neither is 0
    start = 0
    for squared in distance_blocks(q_features, g_features, device=device):
        block = slice(start, start + len(squared))
        jaccard = 1 - similarity[block].toarray()
        euclidean = squared / units[block, None]
        mixed = (1 - RERANK_LAMBDA) * jaccard + RERANK_LAMBDA * euclidean
        yield mixed.astype(np.float32)
        start = block.stop


def _farthest_distances(features: NDArray[np.floating], device: str) -> NDArray[np.float64]:
    """Return each image's (N,) largest squared distance to any other; 1 where all are equal."""
    images = torch.tensor(features, dtype=torch.float32, device=device)
    half_norms = images.square().sum(dim=1) / 2
    farthest = np.empty(len(features), np.int64)
    for start in range(0, len(features), FARTHEST_BLOCK):
        block = slice(start, start + FARTHEST_BLOCK)
        keys = torch.addmm(half_norms, images[block], images.T, alpha=-1)  # (block, Q + G)
        farthest[block] = keys.argmax(dim=1).cpu().numpy()
    distances = pair_distances(features, farthest)
    return np.where(distances > 0, distances, 1.0)
