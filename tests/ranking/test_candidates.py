import faiss
import numpy as np
import pytest

from pplr.ranking import candidates as search
from pplr.ranking.candidates import (
    candidates_by_gpu,
    candidates_by_index,
    candidates_by_product,
    search_attributes,
)
from pplr.ranking.distances import squared_norms
from pplr.ranking.lists import ranked_list


def random_features(N, D=8, seed=0):
    return np.random.default_rng(seed).standard_normal((N, D), dtype=np.float32)


def clustered_features(N, D=16, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((N // 20, D))
    features = centres[rng.integers(len(centres), size=N)] + 0.2 * rng.standard_normal((N, D))
    return features.astype(np.float32)


def farthest_keys(features, columns):
    distances = np.square(features[:, None] - features[columns]).sum(axis=2).max(axis=1)
    return (distances - squared_norms(features)) / 2


def faiss_on_the_cpu(resources, queries, images, k, *, device):
    """Stand for `faiss.knn_gpu`, which takes the same arrays, where there is no GPU."""
    assert device == 1
    return faiss.knn(np.float32(queries), np.float32(images), k)


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "knn_gpu", faiss_on_the_cpu, raising=False)


@pytest.mark.parametrize("block", [4096, 100, 23, 1])
def test_the_product_finds_the_nearest(monkeypatch, block):
    monkeypatch.setattr(search, "BLOCK", block)
    features = random_features(150)
    columns, keys = candidates_by_product(features, squared_norms(features), 9)
    assert np.array_equal(np.sort(columns), np.sort(ranked_list(features, 9)))
    np.testing.assert_allclose(keys, farthest_keys(features, columns), atol=1e-5)


def test_rows_in_order_of_falling_distance():
    # Each image is nearer to the last than all before it: every heap is replaced all the time.
    features = np.sqrt(np.arange(300, 0, -1, dtype=np.float32))[:, None]
    columns, _ = candidates_by_product(features, squared_norms(features), 5)
    assert np.sort(columns[299]).tolist() == [294, 295, 296, 297, 298]


def test_a_gpu_finds_the_same(gpu):
    features = random_features(150)
    norms = squared_norms(features)
    columns, keys = candidates_by_gpu(features, norms, 9, device="cuda:1")
    by_product = candidates_by_product(features, norms, 9)
    assert np.array_equal(np.sort(columns), np.sort(by_product[0]))
    np.testing.assert_allclose(keys, by_product[1], atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_ranked_lists_are_the_same_on_a_gpu(gpu, dtype):
    features = random_features(90).astype(dtype)
    features[40:60] = features[3]  # more duplicates than candidates: itself is not among them
    assert np.array_equal(ranked_list(features, 6, device="cuda:1"), ranked_list(features, 6))


def test_a_gpu_without_faisss_search_is_served_by_the_product(monkeypatch):
    # as with faiss-cpu, which has knn_gpu and nothing that it could run on
    monkeypatch.setattr(faiss, "knn_gpu", lambda *_: pytest.fail("no GPU"), raising=False)
    monkeypatch.delattr(faiss, "StandardGpuResources", raising=False)
    features = random_features(50)
    assert np.array_equal(ranked_list(features, 6, device="cuda:1"), ranked_list(features, 6))


@pytest.fixture
def small_index(monkeypatch):
    """An index from 100 images on, and codes of fewer numbers."""
    monkeypatch.setattr(search, "MIN_INDEX_IMAGES", 100)
    monkeypatch.setattr(search, "FEATURES_PER_CODE", 2)
    monkeypatch.setattr(search, "PROBED_LISTS", 8)


def test_the_settings_stand_beside_the_lists():
    assert search_attributes("exact", 10**6) == {"search": "exact"}
    assert search_attributes("approximate", 9_999) == {"search": "exact"}
    attributes = search_attributes("approximate", 10**6)
    assert attributes["search"] == "approximate"
    assert (attributes["nlist"], attributes["nprobe"]) == (4000, 64)
    assert search_attributes("approximate", 10_000)["nlist"] == 256  # 39 images each


def test_fewer_images_are_searched_exactly():
    features = random_features(300)
    assert np.array_equal(ranked_list(features, 9, search="approximate"), ranked_list(features, 9))


@pytest.mark.parametrize(("dtype", "D"), [(np.float16, 16), (np.float32, 16), (np.float32, 15)])
def test_the_index_finds_most_of_the_nearest(small_index, dtype, D):
    features = clustered_features(4000, D=D).astype(dtype)
    exact, near = (ranked_list(features, 15, search=how) for how in ("exact", "approximate"))
    assert near.shape == exact.shape
    found = [len(set(a) & set(b)) for a, b in zip(exact, near, strict=True)]
    assert 0.95 < np.mean(found) / 15 < 1
    assert (near != np.arange(4000)[:, None]).all()


def test_what_the_index_finds_is_ranked_exactly(small_index):
    features = clustered_features(2000)
    near = ranked_list(features, 15, search="approximate")
    distances = np.square(features[:, None] - features[near], dtype=np.float64).sum(axis=2)
    assert (np.diff(distances, axis=1) >= 0).all()


def test_blocks_of_the_index_do_not_change_the_result(small_index, monkeypatch):
    features = clustered_features(1500)
    whole = candidates_by_index(features, 12)
    assert whole.shape == (1500, 36)
    monkeypatch.setattr(search, "QUERY_BLOCK", 177)
    assert np.array_equal(np.sort(candidates_by_index(features, 12)), np.sort(whole))


def test_rows_whose_lists_hold_too_few_are_searched_exactly(small_index, monkeypatch):
    monkeypatch.setattr(search, "PROBED_LISTS", 1)
    features = clustered_features(2000)
    near, exact = (ranked_list(features, 100, search=how) for how in ("approximate", "exact"))
    short = (candidates_by_index(features, 108) == -1).any(axis=1)
    assert short.any()
    assert np.array_equal(near[short], exact[short])
    assert (near >= 0).all()
