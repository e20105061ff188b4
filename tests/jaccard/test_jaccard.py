import math

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from benchmarks import textbook
from pplr.errors import ClusteringError, DataError, SettingError
from pplr.jaccard import distance as jaccard_module
from pplr.jaccard import rows
from pplr.jaccard.distance import jaccard_distance, jaccard_distance_to_rest
from pplr.jaccard.encoding import k_reciprocal_encoding
from pplr.ranking.lists import ranked_list

E = math.exp(-1)


def encode(features, k1, k2):
    return k_reciprocal_encoding(features, ranked_list(features, k1 - 1), k1=k1, k2=k2)


def clustered_features(N, seed=0, D=4):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(1, N // 5), D))
    features = centres[rng.integers(len(centres), size=N)] + 0.3 * rng.standard_normal((N, D))
    return features.astype(np.float32)


def random_encoding(N, seed=0):
    return encode(clustered_features(N, seed), k1=8, k2=3)


def dense(distance):
    """Return the matrix with what is not stored at distance 1."""
    result = np.ones(distance.shape, np.float32)
    rows = np.repeat(np.arange(distance.shape[0]), np.diff(distance.indptr))
    result[rows, distance.indices] = distance.data  # zeros too
    return result


def assert_well_formed(distance):
    assert distance.dtype == np.float32
    rows = np.repeat(np.arange(distance.shape[0]), np.diff(distance.indptr))
    place = rows.astype(np.int64) * distance.shape[0] + distance.indices
    assert (np.diff(place) > 0).all(), "sorted, none twice"


class TestEncoding:
    def test_two_pairs_on_a_line(self):
        # Points 0, 1 and 10, 11. Each has its partner: softmax(0, -1) = 1/(1+e⁻¹), e⁻¹/(1+e⁻¹).
        features = np.array([[0], [1], [10], [11]], np.float32)
        own, other = 1 / (1 + E), E / (1 + E)  # 0.731, 0.269
        expected = [[own, other, 0, 0], [other, own, 0, 0], [0, 0, own, other], [0, 0, other, own]]
        encoding = encode(features, k1=2, k2=1)
        np.testing.assert_allclose(encoding.toarray(), expected, atol=1e-7)
        assert encoding.dtype == np.float32

    def test_averaging_with_the_nearest(self):
        features = np.array([[0], [1], [10], [11]], np.float32)
        expected = [[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5], [0, 0, 0.5, 0.5]]
        np.testing.assert_allclose(encode(features, k1=2, k2=2).toarray(), expected, atol=1e-7)

    def test_a_neighbour_that_does_not_return_it_is_left_out(self):
        # Points 0, 1, 3: 3's nearest is 1, but 1's nearest is 0.
        encoding = encode(np.array([[0], [1], [3]], np.float32), k1=2, k2=1)
        assert encoding.toarray()[2].tolist() == [0, 0, 1]

    def test_a_half_set_joins_if_more_than_two_thirds_of_it_overlap(self):
        lists = np.array(
            [
                [0, 1, 2, 3, 4, 5],
                [1, 0, 2, 7, 3, 4],
                [2, 1, 0, 3, 4, 5],
                [3, 0, 6, 5, 1, 2],
                [4, 5, 6, 7, 2, 3],
                [5, 4, 6, 7, 1, 2],
                [6, 3, 4, 5, 7, 1],
                [7, 1, 4, 5, 6, 2],
            ],
            np.int32,
        )
        # Image 0 is in the lists of 0, 1, 2 and 3. Half lists are the image and 3 others.
        # The half set of 1 is {0, 1, 2, 7}: 3 of 4 overlap, so 7 joins. That of 3 is {0, 3, 6}:
        # 2 of 3 are not more than two thirds, so 6 does not.
        features = np.zeros((8, 2), np.float32)  # all weights equal
        encoding = k_reciprocal_encoding(features, lists[:, 1:], k1=6, k2=1)
        np.testing.assert_allclose(
            encoding.toarray()[0], [0.2, 0.2, 0.2, 0.2, 0, 0, 0, 0.2], atol=1e-7
        )

    @settings(max_examples=30, deadline=None)
    @given(N=st.integers(1, 40), seed=st.integers(0, 10_000), k1=st.integers(1, 14), data=st.data())
    def test_equals_the_slow_encoding(self, N, seed, k1, data):
        k2 = data.draw(st.integers(1, k1))
        features = clustered_features(N, seed)
        ranked = ranked_list(features, k1 - 1)
        encoding = k_reciprocal_encoding(features, ranked, k1=k1, k2=k2)
        distances = textbook.squared_distances(features, features)
        expected = textbook.k_reciprocal_encoding(distances, ranked, k1, k2)
        np.testing.assert_allclose(encoding.toarray(), expected, atol=1e-6)
        np.testing.assert_allclose(encoding.sum(axis=1), 1, atol=1e-6)
        assert_well_formed(encoding)

    def test_longer_ranked_lists_change_nothing(self):
        features = clustered_features(30)
        longer = k_reciprocal_encoding(features, ranked_list(features, 20), k1=7, k2=3)
        assert np.array_equal(longer.toarray(), encode(features, k1=7, k2=3).toarray())

    def test_float16_features_are_the_numbers_they_hold(self):
        features = clustered_features(30).astype(np.float16)
        single = encode(features.astype(np.float32), k1=7, k2=3)
        assert np.array_equal(encode(features, k1=7, k2=3).toarray(), single.toarray())

    def test_k1_beyond_the_images_is_all_of_them(self):
        features = clustered_features(6)
        assert np.array_equal(
            encode(features, k1=50, k2=50).toarray(), encode(features, k1=50, k2=6).toarray()
        )

    def test_distances_in_units_of_their_own(self):
        # Each pair is 1 apart; with units of 4 its weights are softmax(0, -1/4).
        features = np.array([[0], [1], [10], [11]], np.float32)
        units = np.array([1, 4, 1, 4.0])
        encoding = k_reciprocal_encoding(
            features, ranked_list(features, 1), k1=2, k2=1, units=units
        )
        quarter = math.exp(-1 / 4)
        expected = [[1 / (1 + E), E / (1 + E)], [quarter / (1 + quarter), 1 / (1 + quarter)]]
        np.testing.assert_allclose(encoding.toarray()[:2, :2], expected, atol=1e-7)

    def test_far_apart_features_do_not_overflow(self):
        features = np.array([[0], [300], [1e6]], np.float32)
        assert np.array_equal(encode(features, k1=3, k2=1).toarray(), np.eye(3))

    def test_chunks_do_not_change_the_result(self, monkeypatch):
        features = clustered_features(100)
        whole = encode(features, k1=8, k2=3)
        monkeypatch.setattr(rows, "MIN_CHUNK", 7)
        chunked = encode(features, k1=8, k2=3)
        assert np.array_equal(whole.toarray(), chunked.toarray())

    @pytest.mark.parametrize(("k1", "k2"), [(5, 6), (5, 0)])
    def test_k2_outside_k1(self, k1, k2):
        with pytest.raises(SettingError, match=rf"k1 {k1}, k2 {k2}(.|\n)*1 ≤ k2 ≤ k1"):
            encode(clustered_features(10), k1=k1, k2=k2)


class TestDistance:
    def test_two_pairs_on_a_line(self):
        # Sum of minima 2e⁻¹/(1+e⁻¹), so s/(2-s) = e⁻¹.
        features = np.array([[0], [1], [10], [11]], np.float32)
        distance = jaccard_distance(encode(features, k1=2, k2=1), max_distance=1.0)
        near = 1 - E  # 0.632
        expected = [[0, near, 1, 1], [near, 0, 1, 1], [1, 1, 0, near], [1, 1, near, 0]]
        np.testing.assert_allclose(dense(distance), expected, atol=1e-6)
        assert distance.nnz == 8

    def test_three_rows_by_hand(self):
        # s = 0.25 + 0.5 = 0.75 for the first two; 1 - 0.75/1.25 = 0.4.
        rows = np.array([[0.5, 0.5, 0], [0.25, 0.75, 0], [0, 0, 1]], np.float32)
        distance = jaccard_distance(sparse.csr_array(rows), max_distance=0.5)
        np.testing.assert_allclose(distance.data, [0, 0.4, 0.4, 0, 0], atol=1e-7)
        assert distance.indices.tolist() == [0, 1, 0, 1, 2]
        assert distance.indptr.tolist() == [0, 2, 4, 5]
        assert jaccard_distance(sparse.csr_array(rows), max_distance=0.3).nnz == 3

    def test_the_largest_distance_itself_is_kept(self):
        rows = np.array([[0.5, 0.5], [0.25, 0.75]], np.float32)
        at = float(jaccard_distance(sparse.csr_array(rows), max_distance=1.0).data.max())
        assert jaccard_distance(sparse.csr_array(rows), max_distance=at).nnz == 4
        assert jaccard_distance(sparse.csr_array(rows), max_distance=np.nextafter(at, 0)).nnz == 4
        assert jaccard_distance(sparse.csr_array(rows), max_distance=at - 1e-6).nnz == 2

    @settings(max_examples=30, deadline=None)
    @given(
        N=st.integers(1, 40), seed=st.integers(0, 10_000), largest=st.sampled_from([0.3, 0.6, 1])
    )
    def test_equals_the_slow_distance(self, N, seed, largest):
        encoding = random_encoding(N, seed)
        distance = jaccard_distance(encoding, max_distance=largest)
        expected = textbook.jaccard_distance(encoding.toarray().astype(float))
        expected[expected > largest] = 1
        np.testing.assert_allclose(dense(distance), expected, atol=2e-6)
        assert_well_formed(distance)
        assert (distance.data < 1).all()
        assert (distance.data >= 0).all()
        assert (distance.diagonal() == 0).all()
        assert np.array_equal(dense(distance), dense(distance).T)

    @pytest.mark.parametrize("num_rows", [0, 1, 17, 39, 40])
    def test_the_first_rows_to_the_rest(self, num_rows):
        encoding = random_encoding(40)
        whole = dense(jaccard_distance(encoding, max_distance=1.0))
        part = dense(jaccard_distance_to_rest(encoding, num_rows))
        assert np.array_equal(part, whole[:num_rows, num_rows:])

    def test_zeros_are_stored(self):
        features = np.repeat(clustered_features(6), 3, axis=0)  # each image three times
        distance = jaccard_distance(encode(features, k1=3, k2=3), max_distance=0.5)
        assert distance.nnz == 18 * 3
        assert (distance.data == 0).all()

    def test_permuting_the_rows_permutes_the_distances(self):
        features = clustered_features(60)
        order = np.random.default_rng(1).permutation(60)
        straight = dense(jaccard_distance(encode(features, k1=8, k2=3), max_distance=1.0))
        permuted = dense(jaccard_distance(encode(features[order], k1=8, k2=3), max_distance=1.0))
        np.testing.assert_allclose(permuted, straight[order][:, order], atol=1e-6)

    def test_a_column_in_every_row_leaves_only_near_pairs(self):
        # A hub: every pair shares 0.1, at distance 1 - 0.1/1.9 = 0.947.
        N = 1500
        rows = sparse.eye_array(N, format="lil", dtype=np.float32) * 0.9
        rows[:, 0] = 0.1
        rows[0, 0] = 1.0
        encoding = sparse.csr_array(rows, dtype=np.float32)
        assert jaccard_distance(encoding, max_distance=0.5).nnz == N
        assert jaccard_distance(encoding, max_distance=0.95).nnz == N * N

    @pytest.mark.parametrize("chunk", [7, 5000])
    def test_too_many_near_pairs_end_clearly(self, monkeypatch, chunk):
        features = np.ones((100, 3), np.float32)  # all nearest to the first few
        encoding = encode(features, k1=8, k2=8)
        num_pairs = 100 * 101 // 2
        assert jaccard_distance(encoding, max_distance=0.5).nnz == 100 * 100
        monkeypatch.setattr(rows, "MIN_CHUNK", chunk)
        monkeypatch.setattr(jaccard_module, "MAX_PAIRS", num_pairs)
        assert jaccard_distance(encoding, max_distance=0.5).nnz == 100 * 100
        monkeypatch.setattr(jaccard_module, "MAX_PAIRS", num_pairs - 1)
        with pytest.raises(ClusteringError, match=r"pairs of 100 images within 0.5(.|\n)*`eps`"):
            jaccard_distance(encoding, max_distance=0.5)

    def test_chunks_and_threads_do_not_change_the_result(self, monkeypatch):
        encoding = random_encoding(100)
        whole = jaccard_distance(encoding, max_distance=0.7)
        monkeypatch.setattr(rows, "MIN_CHUNK", 7)
        threads = numba.get_num_threads()
        try:
            numba.set_num_threads(1)
            chunked = jaccard_distance(encoding, max_distance=0.7)
        finally:
            numba.set_num_threads(threads)
        for name in ("data", "indices", "indptr"):
            assert np.array_equal(getattr(whole, name), getattr(chunked, name))

    def test_the_input_is_left_unchanged(self):
        encoding = random_encoding(30)
        before = encoding.copy()
        jaccard_distance(encoding, max_distance=0.5)
        for name in ("data", "indices", "indptr"):
            assert np.array_equal(getattr(encoding, name), getattr(before, name))


def test_one_image():
    encoding = encode(np.ones((1, 3), np.float32), k1=30, k2=6)
    assert encoding.toarray().tolist() == [[1]]
    assert jaccard_distance(encoding, max_distance=0.5).nnz == 1


def test_the_encoding_leaves_its_inputs_unchanged():
    features = clustered_features(30)
    ranked = ranked_list(features, 9)
    before = features.copy(), ranked.copy()
    k_reciprocal_encoding(features, ranked, k1=8, k2=3)
    assert np.array_equal(features, before[0])
    assert np.array_equal(ranked, before[1])


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused_where_they_enter(dtype, bad):
    features = clustered_features(10).astype(dtype)
    ranked = ranked_list(features, 5)
    features[7, 1] = bad
    with pytest.raises(DataError, match="row 7 of the features"):
        k_reciprocal_encoding(features, ranked, k1=6, k2=2)
    encoding = random_encoding(10)
    encoding.data[3] = bad
    with pytest.raises(DataError, match="The encoding holds NaN or infinite values") as caught:
        jaccard_distance(encoding, max_distance=0.9)
    stored = f"found:   1 of {encoding.nnz} stored values, the first is {bad}"
    assert stored in str(caught.value)
