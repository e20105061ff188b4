import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pplr.figures.choosing import evenly, first_and_last, spread_clusters
from tests.tiny import tiny_schedule


def test_first_and_last():
    class OfSchedule:
        def __init__(self, epochs):
            self.schedule = tiny_schedule(epochs=epochs)

    assert [first_and_last(OfSchedule(n)) for n in (1, 2, 5)] == [
        ("00",),
        ("00", "01"),
        ("00", "04"),
    ]


@pytest.mark.parametrize(
    ("total", "rows"),
    [(0, []), (1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (4, [0, 1, 2]), (10, [0, 3, 6])],
)
def test_evenly_by_hand(total, rows):
    assert evenly(total, 3).tolist() == rows


@given(total=st.integers(1, 200), count=st.integers(1, 50))
def test_evenly_are_as_many_as_are_wanted_each_once_in_equal_steps(total, count):
    found = evenly(total, count)
    assert len(found) == min(total, count)
    assert set(found.tolist()) <= set(range(total))
    assert (np.diff(found) >= 1).all()
    assert np.ptp(np.diff(found, append=total)) <= 1


def test_clusters_by_hand():
    # sizes 2, 3, 1, 3; the outliers are none, and of equal ones the lower is first
    labels = np.array([3, 0, 1, 1, -1, -1, 3, 0, 1, 2, 3, -1, -1], np.int32)
    assert spread_clusters(labels, 9).tolist() == [1, 3, 0, 2]
    assert spread_clusters(labels, 2).tolist() == [1, 0]
    assert spread_clusters(labels, 1).tolist() == [1]


def test_no_clusters():
    assert spread_clusters(np.full(3, -1, np.int32), 4).tolist() == []
    assert spread_clusters(np.empty(0, np.int32), 4).tolist() == []


def test_a_number_that_no_image_has_is_no_cluster():
    assert spread_clusters(np.array([4, 4, 2], np.int32), 4).tolist() == [4, 2]
