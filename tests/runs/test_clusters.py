"""Clusters summed up: by hand, and against loops."""

import numpy as np
import pytest

from pplr.runs import clusters
from pplr.runs.clusters import nearest_clusters, summarize_clusters

LABELS = np.array([0, 0, 0, 1, 1, -1, 2], np.int32)
PIDS = np.array([7, 7, 4, 5, 3, 7, -1], np.int32)
AGREEMENT = np.array([[0, 1], [0.5, 1], [1, 1], [0.25, 0], [0.75, 0], [1, 1], [0, 0.5]], np.float32)


def test_summaries_by_hand():
    first, second, third = summarize_clusters(LABELS, AGREEMENT, PIDS)
    assert (first.size, first.agreement, first.pid) == (3, [0.5, 1.0], 7)
    assert first.purity == pytest.approx(2 / 3)
    assert (second.size, second.agreement) == (2, [0.5, 0.0])
    assert (second.purity, second.pid) == (0.5, 3)  # of equal ones the lowest
    assert (third.size, third.purity, third.pid) == (1, None, None)
    assert [one.cluster for one in (first, second, third)] == [0, 1, 2]


def test_without_agreement_identities_or_clusters():
    (only,) = summarize_clusters(np.zeros(3, np.int32), None, np.full(3, -1, np.int32))
    assert (only.agreement, only.purity, only.pid) == (None, None, None)
    assert summarize_clusters(np.full(3, -1, np.int32), AGREEMENT[:3], PIDS[:3]) == []


def test_summaries_are_those_of_loops():
    rng = np.random.default_rng(0)
    labels = np.r_[np.arange(9), rng.integers(-1, 9, 200)].astype(np.int32)
    pids = rng.integers(-1, 6, len(labels)).astype(np.int32)
    for one in summarize_clusters(labels, None, pids):
        known = [int(pid) for pid in pids[labels == one.cluster] if pid >= 0]
        best = min(set(known), key=lambda pid: (-known.count(pid), pid))
        assert one.pid == best
        assert one.purity == pytest.approx(known.count(best) / len(known))


@pytest.mark.parametrize("block", [2, 100])
def test_nearest_clusters_by_hand(monkeypatch, block):
    monkeypatch.setattr(clusters, "_BLOCK", block)
    features = np.array([[1, 0], [1, 0], [0.6, 0.8], [0, 1], [0, -1], [-1, 0]], np.float16)
    labels = np.array([0, 0, 1, 2, -1, 3], np.int32)
    found = nearest_clusters(features, labels, 0, count=2)
    assert [one["cluster"] for one in found] == [1, 2]
    assert [one["similarity"] for one in found] == pytest.approx([0.6, 0.0], abs=1e-3)
