import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from benchmarks import textbook
from pplr.clustering import OUTLIER, pseudo_labels
from pplr.errors import DataError


def distances(*points):
    points = np.array(points, np.float32)
    return np.abs(points[:, None] - points[None])


def stored(dense, max_distance=np.inf):
    """Return CSR with every distance up to max_distance, zeros too."""
    rows, columns = np.nonzero(dense <= max_distance)
    values = dense[rows, columns].astype(np.float32)
    return sparse.csr_array((values, (rows, columns)), shape=dense.shape)


def test_two_clusters_and_an_outlier():
    # Points 0 1 2, 20 and 9 10 11: in order of first appearance.
    labels = pseudo_labels(stored(distances(0, 9, 1, 20, 10, 2, 11)), eps=1.0, min_samples=2)
    assert labels.tolist() == [0, 1, 0, OUTLIER, 1, 0, 1]
    assert labels.dtype == np.int32


def test_a_border_image_goes_to_the_lowest_of_its_clusters():
    # 3 is near 2 and 4, but has only 3 neighbours; 2 and 4 have four.
    points = (4, 4.5, 5, 4.9, 3, 2, 1.5, 1, 1.1)
    labels = pseudo_labels(stored(distances(*points)), eps=1.0, min_samples=4)
    assert labels.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1]


def test_clusters_are_numbered_by_their_first_core_not_their_first_image():
    # The first image is a border image of the cluster whose first core comes last.
    points = (10.0, 0, 0.1, 0.2, 9.1, 9.0, 8.9)
    labels = pseudo_labels(stored(distances(*points)), eps=0.95, min_samples=3)
    assert labels.tolist() == [1, 0, 0, 0, 1, 1, 1]


@settings(max_examples=100, deadline=None)
@given(
    points=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=40),
    eps=st.sampled_from([0.5, 1.0, 1.5, 3.0]),
    min_samples=st.integers(1, 6),
    margin=st.sampled_from([0, 0.5, 20]),
)
def test_equals_scikit_learn_on_the_dense_matrix(points, eps, min_samples, margin):
    points = np.array(points, np.float32)
    dense = np.linalg.norm(points[:, None] - points[None], axis=2)
    labels = pseudo_labels(stored(dense, eps + margin), eps=eps, min_samples=min_samples)
    assert np.array_equal(labels, textbook.pseudo_labels(dense, eps, min_samples))


@pytest.mark.parametrize("eps", [0.4, 0.5, 0.6, 0.7])
def test_a_distance_equal_to_eps_in_float32_is_near(eps):
    dense = np.array([[0, eps], [eps, 0]], np.float32)
    assert pseudo_labels(stored(dense), eps=eps, min_samples=2).tolist() == [0, 0]
    assert textbook.pseudo_labels(dense, eps, 2).tolist() == [0, 0]


def test_an_image_counts_itself_whether_the_diagonal_is_stored_or_not():
    dense = distances(0, 1, 5)
    without = stored(dense + 100 * np.eye(3, dtype=np.float32), max_distance=50)
    assert without.nnz == 6
    for distance in (stored(dense), without):
        assert pseudo_labels(distance, eps=1.0, min_samples=2).tolist() == [0, 0, OUTLIER]


def test_all_in_one_cluster():
    labels = pseudo_labels(stored(np.zeros((50, 50))), eps=0.5, min_samples=4)
    assert labels.tolist() == [0] * 50


def test_all_outliers():
    labels = pseudo_labels(stored(distances(0, 10, 20, 30)), eps=1.0, min_samples=2)
    assert labels.tolist() == [OUTLIER] * 4


def test_one_image():
    assert pseudo_labels(stored(distances(0)), eps=1.0, min_samples=1).tolist() == [0]
    assert pseudo_labels(stored(distances(0)), eps=1.0, min_samples=2).tolist() == [OUTLIER]


def test_nothing_stored():
    empty = sparse.csr_array((3, 3), dtype=np.float32)
    assert pseudo_labels(empty, eps=0.5, min_samples=2).tolist() == [OUTLIER] * 3


def test_the_input_is_left_unchanged():
    distance = stored(distances(0, 1, 2, 9), max_distance=5)
    before = distance.copy()
    pseudo_labels(distance, eps=1.0, min_samples=2)
    for name in ("data", "indices", "indptr"):
        assert np.array_equal(getattr(distance, name), getattr(before, name))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_distances_that_are_no_numbers_are_refused(bad):
    distance = stored(distances(0.0, 0.1, 0.2))
    distance.data[1] = bad
    with pytest.raises(DataError, match="The distance holds NaN or infinite values"):
        pseudo_labels(distance, eps=0.5, min_samples=2)
