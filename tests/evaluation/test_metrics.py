import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import textbook
from pplr.errors import DataError
from pplr.evaluation.metrics import own_rows, retrieval_metrics, retrieval_metrics_in_blocks


def one_query(distances, g_pids, g_camids, *, pid=1, camid=0, q_index=None):
    return retrieval_metrics(
        np.array([distances], np.float32),
        np.array([pid]),
        np.array(g_pids),
        np.array([camid]),
        np.array(g_camids),
        q_index=None if q_index is None else np.array([q_index]),
    )


def test_one_query_by_hand():
    # The first is its person in its own camera, left out. Then: wrong, right, wrong, right.
    metrics = one_query([0.1, 0.2, 0.3, 0.4, 0.5], [1, 2, 1, 3, 1], [0, 1, 1, 1, 2])
    assert metrics.mAP == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert metrics.cmc.tolist() == [0, 1, 1, 1, 1]
    assert metrics.num_valid_queries == 1


def test_two_queries_and_one_without_a_correct_image():
    distmat = np.array([[0.2, 0.1, 0.3], [0.1, 0.2, 0.3], [0.1, 0.2, 0.3]])
    metrics = retrieval_metrics(
        distmat, np.array([1, 1, 7]), np.array([1, 2, 1]), np.zeros(3, int), np.array([1, 1, 1])
    )
    # Right at ranks 2 and 3: (1/2 + 2/3)/2 = 7/12. Right at 1 and 3: (1 + 2/3)/2 = 10/12.
    assert metrics.mAP == pytest.approx((7 / 12 + 10 / 12) / 2)
    assert metrics.cmc.tolist() == [0.5, 1, 1]
    assert metrics.num_valid_queries == 2


def test_equal_distances_go_by_lower_gallery_row():
    assert one_query([0.5, 0.5, 0.5], [2, 1, 3], [1, 1, 1]).mAP == pytest.approx(1 / 2)
    assert one_query([0.5, 0.5, 0.5], [1, 2, 3], [1, 1, 1]).mAP == 1
    assert one_query([0.5] * 4, [1, 2, 1, 1], [1] * 4).mAP == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)


def test_another_person_in_the_same_camera_counts():
    assert one_query([0.1, 0.2], [2, 1], [0, 1]).mAP == pytest.approx(1 / 2)


def test_unknown_cameras_equal_no_camera():
    assert one_query([0.1], [1], [-1], camid=-1).num_valid_queries == 1
    assert one_query([0.1], [1], [3], camid=-1).num_valid_queries == 1
    assert one_query([0.1], [1], [-1], camid=3).num_valid_queries == 1


def test_the_querys_own_gallery_row_is_left_out():
    arguments = ([0.0, 0.1, 0.2], [1, 2, 1], [-1, -1, -1])
    assert one_query(*arguments).mAP == pytest.approx((1 + 2 / 3) / 2)
    assert one_query(*arguments, q_index=-1).mAP == pytest.approx((1 + 2 / 3) / 2)
    assert one_query(*arguments, q_index=0).mAP == pytest.approx(1 / 2)


def random_case(seed, Q=6, G=15, levels=5):
    """Return arguments with many equal distances; half the cases leave query images out."""
    rng = np.random.default_rng(seed)
    distmat = rng.integers(levels, size=(Q, G)).astype(np.float32)
    ids = [rng.integers(0, 3, size=n) for n in (Q, G)] + [
        rng.integers(-1, 2, size=n) for n in (Q, G)
    ]
    return distmat, ids, rng.integers(-1, G, size=Q) if seed % 2 else None


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    Q=st.integers(1, 6),
    G=st.integers(1, 20),
    levels=st.integers(1, 30),
)
def test_equals_the_slow_metrics(seed, Q, G, levels):
    distmat, ids, q_index = random_case(seed, Q, G, levels)
    expected = textbook.retrieval_metrics(distmat, *ids, q_index)
    if expected is None:
        with pytest.raises(DataError):
            retrieval_metrics(distmat, *ids, q_index=q_index)
        return
    metrics = retrieval_metrics(distmat, *ids, q_index=q_index)
    assert metrics.mAP == pytest.approx(expected[0])
    np.testing.assert_allclose(metrics.cmc, expected[1])
    assert metrics.num_valid_queries == expected[2]
    assert (np.diff(metrics.cmc) >= 0).all()
    assert metrics.cmc[-1] == 1


def slow_ranked_list(distances, q_pid, g_pids, q_camid, g_camids, own, depth):
    """Return one query's nearest by sorting all that is not left out."""
    kept = [
        (distance, row)
        for row, distance in enumerate(distances.tolist())
        if row != own and not (g_pids[row] == q_pid != -1 and g_camids[row] == q_camid != -1)
    ]
    rows = [row for _, row in sorted(kept)][:depth]
    return rows + [-1] * (min(depth, len(g_pids)) - len(rows))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    G=st.integers(1, 20),
    levels=st.integers(1, 30),
    depth=st.integers(1, 25),
)
def test_the_ranked_list_is_that_of_sorting(seed, G, levels, depth):
    distmat, (q_pids, g_pids, q_camids, g_camids), q_index = random_case(seed, 6, G, levels)
    g_pids[0], g_camids[0], q_pids[0], q_camids[0] = 1, 1, 1, 0  # a valid query, unless it is own
    q_index = None if q_index is None else np.r_[-1, q_index[1:]]
    found = retrieval_metrics_in_blocks(
        [distmat], q_pids, g_pids, q_camids, g_camids, q_index=q_index, depth=depth
    )
    own = [-1] * 6 if q_index is None else q_index
    for i in range(6):
        one = (distmat[i], q_pids[i], g_pids, q_camids[i], g_camids, own[i], depth)
        assert found.ranked_list[i].tolist() == slow_ranked_list(*one)
    valid = found.average_precision >= 0
    assert valid.sum() == found.num_valid_queries
    assert found.average_precision[valid].mean() == pytest.approx(found.mAP)


def test_an_unknown_person_equals_nobody():
    distmat = np.array([[0.1, 0.2], [0.1, 0.2]])
    pids, unknown = np.array([-1, 4]), np.array([-1, -1])
    metrics = retrieval_metrics(distmat, pids, pids, unknown, unknown)
    assert metrics.num_valid_queries == 1
    assert metrics.mAP == 0.5


def test_own_rows_are_found_by_path():
    assert own_rows(["b", "x", "a"], ["a", "b"]).tolist() == [1, -1, 0]
    assert own_rows([], ["a"]).tolist() == []


def test_permuting_the_gallery_changes_nothing_without_ties():
    rng = np.random.default_rng(0)
    distmat = rng.random((8, 30))
    _, (q_pids, g_pids, q_camids, g_camids), _ = random_case(2, 8, 30)
    order = rng.permutation(30)
    straight = retrieval_metrics(distmat, q_pids, g_pids, q_camids, g_camids)
    permuted = retrieval_metrics(
        distmat[:, order], q_pids, g_pids[order], q_camids, g_camids[order]
    )
    assert permuted.mAP == straight.mAP
    assert np.array_equal(permuted.cmc, straight.cmc)


def test_blocks_of_a_matrix_give_what_the_whole_gives():
    distmat, ids, q_index = random_case(3, 8, 30)
    whole = retrieval_metrics(distmat, *ids, q_index=q_index)
    blocks = iter([distmat[:3], distmat[3:4], distmat[4:]])
    in_blocks = retrieval_metrics_in_blocks(blocks, *ids, q_index=q_index)
    assert in_blocks.mAP == whole.mAP
    assert np.array_equal(in_blocks.cmc, whole.cmc)
    assert in_blocks.num_valid_queries == whole.num_valid_queries


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float16, np.float64])
def test_distances_of_any_type_of_number(dtype):
    distmat, ids, q_index = random_case(3, 8, 30)
    metrics = retrieval_metrics(distmat.astype(dtype), *ids, q_index=q_index)
    assert metrics.mAP == retrieval_metrics(distmat, *ids, q_index=q_index).mAP


def test_equals_scikit_learn_without_ties():
    rng = np.random.default_rng(0)
    distmat, pids = rng.random((40, 300)), rng.integers(0, 9, 340)
    ids = pids[:40], pids[40:], rng.integers(0, 3, 40), rng.integers(0, 3, 300)
    expected = textbook.mean_average_precision(distmat, *ids)
    assert retrieval_metrics(distmat, *ids).mAP == pytest.approx(expected, abs=1e-12)


def test_no_valid_query():
    with pytest.raises(DataError, match=r"No query has a correct image(.|\n)*1 queries, 2 gallery"):
        one_query([0.1, 0.2], [2, 3], [1, 1])
    none = np.empty(0, np.int64)
    with pytest.raises(DataError, match="0 queries, 1 gallery"):
        retrieval_metrics_in_blocks([], none, np.ones(1), none, np.ones(1))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_distances_that_are_not_finite_name_their_row(dtype, bad):
    distmat = np.full((3, 2), 60000, dtype)  # sums of float16 would be infinite themselves
    ids = np.ones(3), np.ones(2), np.zeros(3), np.ones(2)
    assert retrieval_metrics(distmat, *ids).mAP == 1
    distmat[1, 1] = bad
    distmat[2] = np.inf, -np.inf
    with pytest.raises(DataError, match="first in row 1"):
        retrieval_metrics(distmat, np.ones(3), np.ones(2), np.zeros(3), np.ones(2))


def test_the_inputs_are_left_unchanged():
    distmat, ids, q_index = random_case(1)
    arrays = [distmat, *ids, q_index]
    before = [array.copy() for array in arrays]
    retrieval_metrics(distmat, *ids, q_index=q_index)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))
