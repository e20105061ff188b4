"""From features to labels, agreement and scores: what the dense textbook says on the same lists."""

import numpy as np
import pytest

from benchmarks import textbook
from pplr.agreement import cross_agreement
from pplr.clustering import pseudo_labels
from pplr.evaluation.distances import distance_blocks
from pplr.evaluation.metrics import retrieval_metrics_in_blocks
from pplr.jaccard.distance import jaccard_distance
from pplr.jaccard.encoding import k_reciprocal_encoding
from pplr.ranking.lists import ranked_list

N, D, PEOPLE = 240, 64, 16
PIDS = np.arange(N) % PEOPLE
SPREADS = {"easy": 0.5, "hard": 1.5, "nearly structureless": 6.0}


def make_features(kind, dtype, seed=0):
    """Return normalised features; those with duplicates have each image of a half three times."""
    rng = np.random.default_rng(seed)
    spread = SPREADS.get(kind, SPREADS["hard"])
    features = rng.standard_normal((PEOPLE, D))[PIDS] + spread * rng.standard_normal((N, D))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    if kind == "duplicates":
        features[80:120], features[120:160] = features[:40], features[:40]
    return features.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(("k1", "k2", "eps"), [(20, 6, 0.5), (30, 1, 0.7), (65, 6, 0.3)])
@pytest.mark.parametrize("kind", [*SPREADS, "duplicates"])
def test_labels_and_distances(kind, k1, k2, eps, dtype):
    features = make_features(kind, dtype)
    if k1 == 65:  # beyond the number of images
        features = features[::4]
    ranked = ranked_list(features, k1 - 1)
    encoding = k_reciprocal_encoding(features, ranked, k1=k1, k2=k2)
    distance = jaccard_distance(encoding, max_distance=eps)

    distances = textbook.squared_distances(features, features)
    expected = textbook.jaccard_distance(textbook.k_reciprocal_encoding(distances, ranked, k1, k2))
    rows = np.repeat(np.arange(len(features)), np.diff(distance.indptr))
    np.testing.assert_allclose(distance.data, expected[rows, distance.indices], atol=1e-5)
    stored = np.zeros(expected.shape, bool)
    stored[rows, distance.indices] = True
    assert (expected[~stored] > eps - 1e-5).all()
    labels = pseudo_labels(distance, eps=eps, min_samples=4)
    assert np.array_equal(labels, textbook.pseudo_labels(expected, eps, 4))


@pytest.mark.parametrize("k", [5, N + 5])
@pytest.mark.parametrize("kind", [*SPREADS, "duplicates"])
def test_agreement(kind, k):
    ranked = [ranked_list(make_features(kind, np.float16, seed), k) for seed in range(4)]
    parts = np.stack(ranked[1:], axis=1)
    expected = textbook.cross_agreement(ranked[0], parts, min(k, N - 1))
    np.testing.assert_allclose(cross_agreement(ranked[0], parts, k=k), expected, atol=1e-6)


@pytest.mark.parametrize("kind", SPREADS)
def test_scores(kind):
    features = make_features(kind, np.float32)
    camids = np.arange(N) // 80
    query, gallery = slice(0, 60), slice(60, N)
    ids = PIDS[query], PIDS[gallery], camids[query], camids[gallery]
    blocks = distance_blocks(features[query], features[gallery])
    metrics = retrieval_metrics_in_blocks(blocks, *ids)
    distmat = textbook.squared_distances(features[query], features[gallery])
    mAP, cmc, num_valid = textbook.retrieval_metrics(distmat, *ids)
    assert metrics.mAP == pytest.approx(mAP, abs=1e-9)
    np.testing.assert_allclose(metrics.cmc, cmc)
    assert metrics.num_valid_queries == num_valid
    assert metrics.mAP == pytest.approx(textbook.mean_average_precision(distmat, *ids), abs=1e-6)
