from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from pplr.runs.history import adjusted_rand_index, clustering_row, format_csv, outliers_alone
from tests.runs.rows import ROWS


def index(pseudo_labels, pids):
    return adjusted_rand_index(np.array(pseudo_labels, np.int32), np.array(pids, np.int32))


# --- the adjusted Rand index ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("pseudo_labels", "pids", "expected"),
    [
        ([0, 0, 1, 1], [5, 5, 9, 9], 1.0),
        ([1, 1, 0, 0], [5, 5, 9, 9], 1.0),  # names do not matter
        # 4 points, 6 pairs. Pairs in one cluster: 1 (the outliers are alone), of one person: 2,
        # both: 1. Expected by chance 1·2/6 = 1/3, at most (1+2)/2: (1 - 1/3) / (3/2 - 1/3).
        ([0, 0, -1, -1], [5, 5, 9, 9], 4 / 7),
        # 6 points, 15 pairs. In one cluster: 2, of one person: 6, both: 1.
        # Chance 12/15, at most 4: (1 - 4/5) / (4 - 4/5).
        ([0, 0, 1, 1, -1, -1], [5, 5, 5, 9, 9, 9], 1 / 16),
        # In one cluster: 2, of one person: 2, both: 0. Chance 4/6, at most 2.
        ([0, 1, 0, 1], [5, 5, 9, 9], -1 / 2),
        ([-1, -1, -1, -1], [5, 5, 9, 9], 0.0),
        ([-1, -1], [5, 9], 1.0),
    ],
)
def test_the_index_by_hand(pseudo_labels, pids, expected):
    assert index(pseudo_labels, pids) == pytest.approx(expected, abs=1e-12)


def slow_index(pseudo_labels, pids):
    """Count pairs; an outlier is in one cluster with nobody."""
    pairs = list(combinations(range(len(pids)), 2))
    clustered = {
        (i, j) for i, j in pairs if pseudo_labels[i] == pseudo_labels[j] and pseudo_labels[i] >= 0
    }
    people = {(i, j) for i, j in pairs if pids[i] == pids[j]}
    chance = len(clustered) * len(people) / len(pairs)
    most = (len(clustered) + len(people)) / 2
    return 1.0 if most == chance else (len(clustered & people) - chance) / (most - chance)


@given(points=st.lists(st.tuples(st.integers(-1, 4), st.integers(1, 4)), min_size=2, max_size=20))
@settings(max_examples=100, deadline=None)
def test_the_index_equals_its_slow_twin(points):
    pseudo_labels, pids = map(list, zip(*points, strict=True))
    assert index(pseudo_labels, pids) == pytest.approx(slow_index(pseudo_labels, pids), abs=1e-12)


# each of either kind: none, one, all alike, all alone, both sides the same, and any numbers of
# identities, at sizes at which the products of pairs are beyond float64's and int64's integers
LABELLINGS = [
    ([], []),
    ([0], [7]),
    ([-1], [-1]),
    ([0] * 5, [3] * 5),
    ([0] * 5, [1, 2, 3, 4, 5]),
    ([-1] * 5, [1, 2, 3, 4, 5]),
    ([-1] * 5, [3] * 5),
    ([0, 0, -1, -1], [-1, -1, 0, 0]),  # outliers on both sides, as alternations are compared
    ([0, 1, 2, 0], [2**31 - 1, 0, 2**31 - 2, 2**31 - 1]),
    *((rng.integers(-1, high, N), rng.integers(-1, people, N))
      for rng in [np.random.default_rng(0)]
      for N, high, people in [(50, 4, 4), (900, 70, 80), (12_936, 700, 751), (100_000, 3, 2)]),
    (np.arange(100_000) // 16, np.arange(100_000) // 20),
]  # fmt: skip


@pytest.mark.parametrize(("pseudo_labels", "pids"), LABELLINGS)
def test_the_index_is_scikit_learns_to_the_last_digit(pseudo_labels, pids):
    sides = [outliers_alone(np.array(one, np.int32)) for one in (pids, pseudo_labels)]
    assert index(pseudo_labels, pids) == adjusted_rand_score(*sides)


@given(points=st.lists(st.tuples(st.integers(-1, 6), st.integers(-1, 6)), max_size=40))
@settings(max_examples=60, deadline=None)
def test_the_index_of_any_labels_is_scikit_learns(points):
    pseudo_labels, pids = np.array(points, np.int32).reshape(-1, 2).T
    expected = adjusted_rand_score(outliers_alone(pids), outliers_alone(pseudo_labels))
    assert index(pseudo_labels, pids) == expected


def test_the_index_leaves_its_inputs_as_they_were():
    pseudo_labels, pids = np.array([0, -1, 0], np.int32), np.array([1, 2, 1], np.int32)
    adjusted_rand_index(pseudo_labels, pids)
    assert pseudo_labels.tolist() == [0, -1, 0]
    assert pids.tolist() == [1, 2, 1]


# --- rows ----------------------------------------------------------------------------------


def test_a_row_by_hand():
    agreement = np.array([[0.0, 0.5], [0.25, 0.5], [0.5, 0.5], [0.25, 1.0]], np.float32)
    row = clustering_row(
        np.array([0, 0, -1, -1], np.int32), agreement, np.array([5, 5, 9, 9], np.int32)
    )
    assert row == {
        "clusters": 1,
        "outliers": 2,
        "agreement": 0.4375,
        "agreement_1": 0.25,
        "agreement_2": 0.625,
        "adjusted_rand_index": pytest.approx(4 / 7),
    }
    assert list(row)[:4] == ["clusters", "outliers", "agreement", "agreement_1"]
    assert {type(value) for value in row.values()} == {int, float}  # no NumPy in JSON or CSV


def test_a_row_of_outliers_alone():
    labels = np.full(3, -1, np.int32)
    row = clustering_row(labels, np.zeros((3, 1), np.float32), np.array([1, 1, 2], np.int32))
    assert (row["clusters"], row["outliers"]) == (0, 3)


def test_a_row_before_the_agreement_is_computed():
    row = clustering_row(np.array([0, 0], np.int32), None, np.array([5, 5], np.int32))
    assert row == {"clusters": 1, "outliers": 0, "adjusted_rand_index": 1.0}


def test_means_are_taken_in_double_precision():
    # In float32, adding 0.1 two hundred thousand times is off by more than 1e-6.
    agreement = np.full((200_000, 1), 0.1, np.float32)
    labels = np.zeros(200_000, np.int32)
    row = clustering_row(labels, agreement, labels + 1)
    assert row["agreement_1"] == pytest.approx(float(np.float32(0.1)), abs=1e-12)


# --- files ---------------------------------------------------------------------------------


def test_the_file_by_hand():
    assert format_csv(ROWS) == (
        "alternation,clusters,outliers,agreement_1,agreement_2,adjusted_rand_index,"
        "part_loss,lr,mAP,rank1\n"
        "init,,,,,,,,0.25,0.5\n"
        "00,7,12,0.125,0.0625,0.5,2.5,0.00035,,\n"
        "01,10,0,0.25,0.3128,0.75,1.5,0.00035,0.5,1.0\n"
    )


def test_no_number_is_rounded_in_the_file():
    value = 0.1 + 0.2
    lines = format_csv([{"alternation": "init", "mAP": value}]).splitlines()
    assert float(lines[1].split(",")[1]) == value
