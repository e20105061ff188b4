"""How far arrays are apart: by hand, and against slow twins with sets and loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pplr.runs import differences
from pplr.runs.differences import label_changes, largest_and_mean, overlap

# cluster 0 goes on as 1; 1 is split into 0 and 2; 2 and 3 are merged into 3; 4 dissolves;
# the outliers are 4's new images
BEFORE = np.array([0, 0, 1, 1, 1, 2, 2, 3, 4, 4, -1, -1], np.int32)
AFTER = np.array([1, 1, 0, 0, 2, 3, 3, 3, -1, -1, 4, 4], np.int32)


def test_label_changes_by_hand():
    changes = label_changes(BEFORE, AFTER)
    assert changes.split.tolist() == [1]
    assert changes.merged.tolist() == [3]
    assert changes.dissolved.tolist() == [4]
    assert changes.appeared.tolist() == [4]
    backwards = label_changes(AFTER, BEFORE)
    assert backwards.split.tolist() == changes.merged.tolist()
    assert backwards.merged.tolist() == changes.split.tolist()


def slow_changes(a, b):
    """Return the same with sets."""

    def partners(one, other, cluster):
        return {int(y) for x, y in zip(one, other, strict=True) if x == cluster and y >= 0}

    forth = {int(c): partners(a, b, c) for c in set(a.tolist()) if c >= 0}
    back = {int(c): partners(b, a, c) for c in set(b.tolist()) if c >= 0}
    return (
        [c for c in sorted(forth) if len(forth[c]) > 1],
        [c for c in sorted(back) if len(back[c]) > 1],
        [c for c in sorted(forth) if not forth[c]],
        [c for c in sorted(back) if not back[c]],
    )


@st.composite
def two_labellings(draw):
    size = draw(st.integers(0, 30))
    both = [draw(arrays(np.int32, size, elements=st.integers(-1, 6))) for _ in range(2)]
    # as DBSCAN numbers them: from 0 on, none left out
    return [
        np.unique(np.r_[-1, one], return_inverse=True)[1][1:].astype(np.int32) - 1 for one in both
    ]


@settings(max_examples=60, deadline=None)
@given(two_labellings())
def test_label_changes_are_those_of_sets(both):
    assert tuple(found.tolist() for found in label_changes(*both)) == slow_changes(*both)


def test_overlap_by_hand():
    a = np.array([[1, 2, 3], [0, 2, 3]], np.int32)
    b = np.array([[3, 2, 9], [4, 5, 6]], np.int32)
    assert overlap(a, b) == pytest.approx(2 / 6)
    assert overlap(a, b[:, :1]) == 0  # of the nearest alone, none is shared
    assert overlap(a, a[:, ::-1]) == 1  # the order does not matter
    assert overlap(a[:, None], b[:, None]) == overlap(a, b)
    assert overlap(a[:0], b[:0]) == overlap(a[:, :0], b) == 1  # nothing is apart


@pytest.mark.parametrize("block", [1, 100, 10**6])
def test_overlap_and_difference_do_not_depend_on_blocks(monkeypatch, block):
    monkeypatch.setattr(differences, "_BLOCK_BYTES", block)
    rng = np.random.default_rng(0)
    a, b = (np.argsort(rng.random((20, 3, 9)))[..., :4].astype(np.int32) for _ in range(2))
    pairs = zip(a.reshape(-1, 4), b.reshape(-1, 4), strict=True)
    twin = np.mean([len({*x} & {*y}) / 4 for x, y in pairs])
    assert overlap(a, b) == pytest.approx(twin)
    features = rng.standard_normal((2, 20, 7)).astype(np.float16)
    difference = np.abs(features[0].astype(np.float64) - features[1])
    expected = (difference.max(), difference.mean())
    assert largest_and_mean(*features) == pytest.approx(expected, rel=1e-6)


def test_pixels_below_zero_do_not_wrap():
    a, b = np.array([[3]], np.uint8), np.array([[250]], np.uint8)
    assert largest_and_mean(a, b) == (247, 247)
    assert largest_and_mean(b, a) == (247, 247)


@st.composite
def two_rankings(draw):
    """Draw ranked lists of two searches; what a query lacks of a gallery's images is -1."""
    queries, gallery = draw(st.integers(0, 4)), draw(st.integers(1, 6))
    depths = draw(st.tuples(*[st.integers(1, 8)] * 2))
    lacking = [draw(st.integers(0, gallery)) for _ in range(queries)]
    return [
        np.array(
            [
                (draw(st.permutations(range(gallery)))[: gallery - lacks] + [-1] * 8)[:depth]
                for lacks in lacking
            ],
            np.int32,
        ).reshape(queries, depth)
        for depth in depths
    ]


@settings(max_examples=60)
@given(two_rankings())
def test_overlap_is_that_of_sets_where_lists_end_early(both):
    k = min(one.shape[1] for one in both)
    expected = 0
    for x, y in zip(*(one[:, :k].tolist() for one in both), strict=True):
        expected += len(set(x) & set(y) - {-1}) + x.count(-1)  # both lack as many
    assert overlap(*both) == pytest.approx(expected / (len(both[0]) * k) if len(both[0]) else 1)


def test_every_finite_half_is_widened_exactly():
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    expected = halves.astype(np.float32)
    zeros = np.zeros_like(halves)
    assert largest_and_mean(halves, zeros) == largest_and_mean(expected, zeros.astype(np.float32))
    # the sign of zero, too
    assert np.array_equal(differences._widened(halves).view(np.int32), expected.view(np.int32))
