"""From features to pseudo-labels and cross agreement, on three graphs."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from pplr.agreement import cross_agreement
from pplr.clustering import pseudo_labels
from pplr.jaccard import jaccard_distance, k_reciprocal_encoding
from pplr.ranking import ranked_list
from tests.golden.recorded import assert_near, recorded

Graph = dict[str, NDArray[Any]]


# 24 clusters and one outlier; 9 clusters and 459 outliers; 3 clusters and 685 outliers
@pytest.fixture(scope="module", params=["easy", "hard", "noisy"])
def graph(request: pytest.FixtureRequest) -> Graph:
    return recorded(f"graph_{request.param}")


@pytest.fixture(scope="module")
def global_ranked(graph: Graph) -> NDArray[np.int32]:
    return ranked_list(graph["global_features"], max(graph["k"], graph["k1"] - 1))


@pytest.fixture(scope="module")
def encoding(graph: Graph, global_ranked: NDArray[np.int32]) -> sparse.csr_array:
    k1, k2 = int(graph["k1"]), int(graph["k2"])
    return k_reciprocal_encoding(graph["global_features"], global_ranked, k1=k1, k2=k2)


def test_ranked_lists(graph: Graph, global_ranked: NDArray[np.int32]) -> None:
    np.testing.assert_array_equal(global_ranked[:, : graph["k"]], graph["ranked_global"])


def test_jaccard_distances(graph: Graph, encoding: sparse.csr_array) -> None:
    distance = jaccard_distance(encoding, max_distance=1.0).tocoo()
    dense = np.ones(distance.shape, np.float32)  # a pair that is not stored is at 1
    dense[distance.coords] = distance.data
    assert_near("Jaccard distance", dense, graph["jaccard"])


def test_pseudo_labels(graph: Graph, encoding: sparse.csr_array) -> None:
    # no distance is nearer to eps than 1.8e-5, so that rounding moves none across it
    eps = float(graph["eps"])
    distance = jaccard_distance(encoding, max_distance=eps)
    labels = pseudo_labels(distance, eps=eps, min_samples=int(graph["min_samples"]))
    np.testing.assert_array_equal(labels, graph["labels"])


def test_cross_agreement(graph: Graph, global_ranked: NDArray[np.int32]) -> None:
    k, parts = int(graph["k"]), graph["part_features"].swapaxes(0, 1)
    part_ranked = np.stack([ranked_list(features, k) for features in parts], axis=1)
    agreement = cross_agreement(global_ranked, part_ranked, k=k)
    np.testing.assert_array_equal(agreement, graph["agreement"])
