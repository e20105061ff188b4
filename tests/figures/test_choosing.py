import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pplr.figures.choosing import first_and_last, spaced, spaced_clusters
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
    ("num", "count", "wanted"),
    [
        (0, 3, []),
        (1, 3, [0]),
        (3, 3, [0, 1, 2]),
        (4, 3, [0, 2, 3]),  # 1.5 is rounded to an even number
        (11, 3, [0, 5, 10]),
        (7, 1, [0]),
    ],
)
def test_spaced_by_hand(num, count, wanted):
    assert spaced(num, count).tolist() == wanted


@given(num=st.integers(0, 200), count=st.integers(1, 50))
def test_spaced_are_as_many_as_are_wanted_each_once_and_from_end_to_end(num, count):
    found = spaced(num, count)
    assert len(found) == min(num, count)
    assert (np.diff(found) >= 1).all()
    if len(found) > 1:
        assert (found[0], found[-1]) == (0, num - 1)
        assert np.ptp(np.diff(found)) <= 1


def test_clusters_by_hand():
    # sizes 2, 3, 1, 3; the outliers are none, and of equal ones the lower is first
    labels = np.array([3, 0, 1, 1, -1, -1, 3, 0, 1, 2, 3, -1, -1], np.int32)
    assert spaced_clusters(labels, 9).tolist() == [1, 3, 0, 2]
    assert spaced_clusters(labels, 2).tolist() == [1, 2]
    assert spaced_clusters(labels, 1).tolist() == [1]


def test_no_clusters():
    assert spaced_clusters(np.full(3, -1, np.int32), 4).tolist() == []
    assert spaced_clusters(np.empty(0, np.int32), 4).tolist() == []


def test_a_number_that_no_image_has_is_no_cluster():
    assert spaced_clusters(np.array([4, 4, 2], np.int32), 4).tolist() == [4, 2]
