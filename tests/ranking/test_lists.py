import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from threadpoolctl import threadpool_limits

from benchmarks import textbook
from pplr.errors import DataError
from pplr.ranking import candidates as search
from pplr.ranking.distances import squared_norms
from pplr.ranking.lists import ranked_list


def column(*values, dtype=np.float32):
    return np.array(values, dtype)[:, None]


def slow_list(features, depth):
    """Return the lists by float64 distances, from differences."""
    rows = features.astype(np.float64)
    distances = [((rows - row) ** 2).sum(axis=1) for row in rows]
    return textbook.ranked_list(distances, depth)


def random_features(N, D=8, seed=0):
    return np.random.default_rng(seed).standard_normal((N, D), dtype=np.float32)


def test_four_points_on_a_line():
    ranked = ranked_list(column(0, 1, 3, 7), 3)
    assert ranked.tolist() == [[1, 2, 3], [0, 2, 3], [1, 0, 3], [2, 1, 0]]
    assert ranked.dtype == np.int32


def test_equal_distances_go_by_index():
    assert ranked_list(column(0, 1, -1, 1), 3).tolist()[0] == [1, 2, 3]


def test_duplicates_stay_and_only_the_image_itself_is_left_out():
    assert ranked_list(column(5, 5, 6, 5), 3).tolist() == [
        [1, 3, 2],
        [0, 3, 2],
        [0, 1, 3],
        [0, 1, 2],
    ]


def test_many_duplicates_among_random_rows_come_in_index_order():
    features = random_features(400, D=32)
    copies = np.arange(5, 400, 7)  # more than a search's spare candidates
    features[copies] = features[5]
    ranked = ranked_list(features, 10)
    for i in copies:
        assert ranked[i].tolist() == [j for j in copies if j != i][:10]


def test_all_images_equal():
    assert ranked_list(np.ones((40, 3), np.float32), 2)[[0, 1, 2, 39]].tolist() == [
        [1, 2],
        [0, 2],
        [0, 1],
        [0, 1],
    ]


@settings(max_examples=60, deadline=None)
@given(
    features=arrays(
        np.float16,
        st.tuples(st.integers(1, 40), st.integers(1, 3)),
        elements=st.integers(-3, 3),
    ),
    depth=st.integers(0, 45),
)
def test_equals_the_slow_search_with_many_ties(features, depth):
    assert np.array_equal(ranked_list(features, depth), slow_list(features, depth))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(("N", "D"), [(70, 33), (200, 2048)])
def test_equals_the_slow_search(dtype, N, D):
    features = random_features(N, D=D).astype(dtype)
    assert np.array_equal(ranked_list(features, 9), slow_list(features, 9))


def test_permuting_the_rows_permutes_the_lists():
    features = random_features(100)
    order = np.random.default_rng(1).permutation(100)
    place = np.argsort(order)  # where each old row has gone
    assert np.array_equal(ranked_list(features[order], 7), place[ranked_list(features, 7)[order]])


def test_blocks_do_not_change_the_result(monkeypatch):
    features = random_features(50)
    whole = ranked_list(features, 12)
    monkeypatch.setattr(search, "BLOCK", 17)
    assert np.array_equal(ranked_list(features, 12), whole)


def test_the_number_of_threads_does_not_change_the_result():
    features = random_features(600, D=64)
    threads = numba.get_num_threads()
    several = ranked_list(features, 20)
    try:
        numba.set_num_threads(1)
        with threadpool_limits(1):  # of NumPy's product
            assert np.array_equal(ranked_list(features, 20), several)
    finally:
        numba.set_num_threads(threads)


def test_one_part_of_an_array_of_parts():
    parts = random_features(30, D=12).reshape(30, 3, 4).astype(np.float16)
    assert np.array_equal(ranked_list(parts[:, 1], 5), ranked_list(parts[:, 1].copy(), 5))


@pytest.mark.parametrize("scale", [1e-30, 1e-18, 1e15])
def test_tiny_and_large_features(scale):
    features = random_features(40) * np.float32(scale)
    assert np.array_equal(ranked_list(features, 6), slow_list(features, 6))


def test_differences_below_float32_products():
    # 1000 and a little: in float32, |a|² + |b|² - 2ab has lost what tells these apart.
    features = column(1000, 1000.001, 1000.003, 1000.0005)
    assert ranked_list(features, 3).tolist()[0] == [3, 1, 2]


@pytest.mark.parametrize(("N", "depth", "shape"), [(1, 5, (1, 0)), (2, 5, (2, 1)), (6, 0, (6, 0))])
def test_fewer_images_than_the_depth(N, depth, shape):
    assert ranked_list(random_features(N), depth).shape == shape


def test_every_float16_is_read_right():
    every = np.arange(65536, dtype=np.uint32).astype(np.uint16).view(np.float16)
    for row in every[np.isfinite(every)].reshape(-1, 2048):
        assert np.array_equal(squared_norms(row[:, None]), row.astype(np.float64) ** 2)
    for number in every[~np.isfinite(every)]:
        with pytest.raises(DataError, match="row 1 of the features"):
            squared_norms(np.array([[1], [number]], np.float16))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e19])
@pytest.mark.parametrize("search", ["exact", "approximate"])
def test_features_that_are_not_finite_name_their_row(search, bad, dtype):
    features = random_features(5).astype(dtype)
    with np.errstate(over="ignore"):  # 1e19 is inf in float16
        features[[3, 4], 2] = bad
    with pytest.raises(DataError, match="row 3 of the features, the first of 2"):
        ranked_list(features, 2, search=search)


@pytest.mark.parametrize(
    ("features", "found"),
    [
        (np.zeros((5, 2)), "float64, shape (5, 2)"),
        (np.zeros((5, 2), np.int32), "int32, shape (5, 2)"),
        (np.zeros((5, 3, 2), np.float32), "float32, shape (5, 3, 2)"),
        (np.zeros(5, np.float16), "float16, shape (5,)"),
    ],
)
def test_what_are_no_features(features, found):
    with pytest.raises(DataError, match="no features of images") as caught:
        ranked_list(features, 2)
    assert f"found:   {found}" in str(caught.value)


def test_the_input_is_left_unchanged():
    features = random_features(20)
    before = features.copy()
    ranked_list(features, 4)
    assert np.array_equal(features, before)
