import numpy as np
import pytest

from benchmarks import textbook
from pplr.errors import DataError
from pplr.evaluation import distances
from pplr.evaluation.distances import (
    RERANK_K1,
    RERANK_K2,
    RERANK_LAMBDA,
    distance_blocks,
    reranked_blocks,
)


def random_features(Q, G, seed=0, D=5):
    """Return query and gallery features of a few people."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((6, D))
    features = centres[rng.integers(6, size=Q + G)] + 0.5 * rng.standard_normal((Q + G, D))
    features = features.astype(np.float32)
    return features[:Q], features[Q:]


def whole(blocks):
    return np.concatenate(list(blocks))


def orders(distmat):
    return np.argsort(distmat, axis=1, kind="stable")


@pytest.mark.parametrize("block", [256, 3])
def test_distances_less_the_querys_own_norm(monkeypatch, block):
    monkeypatch.setattr(distances, "QUERY_BLOCK", block)
    q_features, g_features = random_features(8, 30)
    keys = whole(distance_blocks(q_features, g_features))
    own_norms = np.square(q_features).sum(axis=1, keepdims=True)
    expected = textbook.squared_distances(q_features, g_features)
    np.testing.assert_allclose(keys + own_norms, expected, atol=1e-5)
    assert keys.dtype == np.float32


def test_the_number_of_queries_in_a_block_changes_no_bit(monkeypatch):
    q_features, g_features = random_features(9, 40, D=64)
    straight = whole(distance_blocks(q_features, g_features))
    monkeypatch.setattr(distances, "QUERY_BLOCK", 2)
    assert np.array_equal(whole(distance_blocks(q_features, g_features)), straight)


def test_duplicates_in_the_gallery_are_ties():
    q_features, g_features = random_features(1, 1, D=64)
    keys = whole(distance_blocks(q_features, np.repeat(g_features, 101, axis=0)))
    assert len(np.unique(keys)) == 1


@pytest.mark.parametrize("in_blocks", [distance_blocks, reranked_blocks])
def test_nan_features_name_their_row(in_blocks):
    features = np.zeros((3, 2), np.float32)
    features[2, 0] = np.nan
    with pytest.raises(DataError, match="row 2 of the features"):
        whole(in_blocks(features, np.zeros((3, 2), np.float32)))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("Q", "G"), [(12, 60), (5, 9), (1, 1)])
def test_re_ranking_equals_the_slow_one(Q, G, seed):
    q_features, g_features = random_features(Q, G, seed)
    expected = textbook.reranked_distances(
        q_features, g_features, RERANK_K1, RERANK_K2, RERANK_LAMBDA
    )
    keys = whole(reranked_blocks(q_features, g_features))
    difference = expected - keys  # the same for all of a query's gallery
    np.testing.assert_allclose(difference, np.broadcast_to(difference[:, :1], (Q, G)), atol=2e-6)
    assert keys.dtype == np.float32


def test_re_ranking_two_images_by_hand():
    # Each is the other's neighbour and both rows are averaged, so the Jaccard distance is 0; the
    # squared distance 9 is the query's largest.
    query, gallery = np.zeros((1, 1), np.float32), np.full((1, 1), 3, np.float32)
    assert whole(reranked_blocks(query, gallery)).tolist() == [[pytest.approx(0.3)]]


def test_re_ranking_in_blocks_changes_no_bit(monkeypatch):
    q_features, g_features = random_features(9, 40)
    straight = whole(reranked_blocks(q_features, g_features))
    monkeypatch.setattr(distances, "QUERY_BLOCK", 2)
    monkeypatch.setattr(distances, "FARTHEST_BLOCK", 7)
    assert np.array_equal(whole(reranked_blocks(q_features, g_features)), straight)


def test_re_ranking_equal_features():
    features = np.ones((4, 3), np.float32)
    assert np.isfinite(whole(reranked_blocks(features[:1], features[1:]))).all()


@pytest.mark.parametrize("in_blocks", [distance_blocks, reranked_blocks])
def test_the_inputs_are_left_unchanged(in_blocks):
    features = random_features(4, 12)
    before = [array.copy() for array in features]
    whole(in_blocks(*features))
    assert all(np.array_equal(a, b) for a, b in zip(features, before, strict=True))
