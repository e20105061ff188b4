import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import textbook
from pplr.agreement import cross_agreement, part_agreement
from pplr.ranking.lists import ranked_list


def random_lists(N, P, k, seed=0):
    """Return global and part lists of k others each, in random order."""
    rng = np.random.default_rng(seed)
    lists = np.empty((N, P + 1, k), np.int32)
    for i in range(N):
        others = np.delete(np.arange(N), i)
        for space in range(P + 1):
            lists[i, space] = rng.permutation(others)[:k]
    return lists[:, 0], lists[:, 1:]


def test_four_neighbours_by_hand():
    N = 9
    global_ranked = np.tile(np.array([1, 2, 3, 4], np.int32), (N, 1))
    parts = np.array([[4, 2, 1, 3], [1, 2, 5, 6], [1, 2, 3, 8], [5, 6, 7, 8]], np.int32)
    part_ranked = np.tile(parts, (N, 1, 1))
    agreement = cross_agreement(global_ranked, part_ranked, k=4)
    # the same four; 2 of 6; 3 of 5; none
    np.testing.assert_allclose(agreement, np.tile([1, 2 / 6, 3 / 5, 0], (N, 1)), rtol=1e-7)
    assert agreement.dtype == np.float32


def test_only_the_first_k_are_compared():
    global_ranked = np.array([[1, 2], [0, 2], [0, 1]], np.int32)
    part_ranked = np.array([[[1, 2]], [[2, 0]], [[0, 1]]], np.int32)
    assert cross_agreement(global_ranked, part_ranked, k=1).tolist() == [[1], [0], [1]]
    assert cross_agreement(global_ranked, part_ranked, k=2).tolist() == [[1], [1], [1]]


@settings(max_examples=60, deadline=None)
@given(
    N=st.integers(2, 30),
    P=st.integers(1, 4),
    k=st.integers(1, 12),
    extra=st.integers(0, 3),
    seed=st.integers(0, 10_000),
)
def test_equals_the_slow_agreement(N, P, k, extra, seed):
    global_ranked, part_ranked = random_lists(N, P, min(k + extra, N - 1), seed)
    agreement = cross_agreement(global_ranked, part_ranked, k=k)
    expected = textbook.cross_agreement(global_ranked, part_ranked, k)
    np.testing.assert_allclose(agreement, expected, rtol=1e-6)
    assert agreement.min() >= 0
    assert agreement.max() <= 1


def test_swapping_the_spaces_changes_nothing():
    global_ranked, part_ranked = random_lists(20, 1, 6)
    forward = cross_agreement(global_ranked, part_ranked, k=6)
    backward = cross_agreement(np.ascontiguousarray(part_ranked[:, 0]), global_ranked[:, None], k=6)
    assert np.array_equal(forward, backward)


def test_permuting_the_images_permutes_the_agreement():
    features = np.random.default_rng(0).standard_normal((2, 40, 5), dtype=np.float32)
    order = np.random.default_rng(1).permutation(40)

    def agreement(spaces):
        return cross_agreement(ranked_list(spaces[0], 8), ranked_list(spaces[1], 8)[:, None], k=8)

    assert np.array_equal(agreement(features[:, order]), agreement(features)[order])


def test_k_beyond_the_images_compares_all_others():
    global_ranked, part_ranked = random_lists(5, 3, 4)
    assert (cross_agreement(global_ranked, part_ranked, k=20) == 1).all()


def test_one_image_agrees_with_nothing():
    alone = cross_agreement(np.empty((1, 0), np.int32), np.empty((1, 3, 0), np.int32), k=20)
    assert alone.tolist() == [[0, 0, 0]]


def test_lists_shorter_than_k():
    global_ranked, part_ranked = random_lists(10, 2, 4)
    with pytest.raises(AssertionError, match="shorter than k"):
        cross_agreement(global_ranked, part_ranked, k=5)


def test_the_inputs_are_left_unchanged():
    global_ranked, part_ranked = random_lists(10, 2, 4)
    before = global_ranked.copy(), part_ranked.copy()
    cross_agreement(global_ranked, part_ranked, k=3)
    assert np.array_equal(global_ranked, before[0])
    assert np.array_equal(part_ranked, before[1])


def test_parts_agree_with_each_other_by_hand():
    # three parts of one image: the first two share 1 of 3 images, the third has others
    lists = np.array([[[1, 2], [2, 3], [4, 5]]] * 6, np.int32)
    agreement = part_agreement(lists, k=2)
    expected = [[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 1]]
    np.testing.assert_allclose(agreement, np.tile(expected, (6, 1, 1)), rtol=1e-6)


def test_part_agreement_equals_its_slow_twin():
    _, lists = random_lists(12, 3, 5)
    agreement = part_agreement(lists, k=4)
    assert agreement.dtype == np.float32
    np.testing.assert_array_equal(agreement, agreement.transpose(0, 2, 1))
    for i in range(12):
        for a in range(3):
            for b in range(3):
                first, second = set(lists[i, a, :4]), set(lists[i, b, :4])
                expected = len(first & second) / len(first | second)
                assert agreement[i, a, b] == pytest.approx(expected)
