import math

import numpy as np
import pytest
import torch

from pplr.training import centroids
from pplr.training.centroids import camera_proxies, centroid_classifiers


def test_centroids_by_hand():
    # Three images of class 0 and 1; the fourth is an outlier; D = 2, one part.
    whole = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [-1.0, 0.0]])
    part = torch.tensor([[0.0, 1.0], [0.0, 1.0], [-1.0, 0.0], [0.6, 0.8]])
    features = torch.stack((whole, part), dim=1)
    classifiers = centroid_classifiers(features, torch.tensor([0, 0, 1, -1]))
    half = math.sqrt(0.5)
    expected = torch.tensor([[[half, half], [0.6, 0.8]], [[0.0, 1.0], [-1.0, 0.0]]])
    torch.testing.assert_close(classifiers, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_centroids_equal_loops(dtype):
    generator = torch.Generator().manual_seed(0)
    N, P, C, D = 20, 3, 4, 5
    features = torch.randn(N, 1 + P, D, generator=generator).to(dtype)
    labels = torch.arange(N) % (C + 1) - 1  # -1 … C-1
    before = features.clone()
    classifiers = centroid_classifiers(features, labels)
    assert classifiers.shape == (1 + P, C, D)
    assert classifiers.dtype == torch.float32
    assert classifiers.is_contiguous()
    for s in range(1 + P):
        for c in range(C):
            members = [features[i, s].double().numpy() for i in range(N) if labels[i] == c]
            mean = sum(members) / len(members)
            mean /= math.sqrt(sum(x * x for x in mean))
            np.testing.assert_allclose(classifiers[s, c], mean, atol=1e-6)
    assert torch.equal(features, before)


def test_blocks_change_no_bit(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(50, 3, 5, generator=generator).half()
    labels = torch.arange(50) % 7 - 1
    camids = (np.arange(50) % 5 - 1).astype(np.int32)
    whole = centroid_classifiers(features, labels)
    proxies = camera_proxies(features, labels.int().numpy(), camids)
    monkeypatch.setattr(centroids, "BLOCK", 4)
    assert torch.equal(centroid_classifiers(features, labels), whole)
    by_blocks = camera_proxies(features, labels.int().numpy(), camids)
    assert all(map(torch.equal, by_blocks, proxies))


def test_outliers_change_no_centroid():
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(6, 3, 2, generator=generator)
    labels = torch.tensor([0, 1, -1, 0, -1, 1])
    kept = labels >= 0
    torch.testing.assert_close(
        centroid_classifiers(features, labels),
        centroid_classifiers(features[kept], labels[kept]),
    )


def test_proxies_by_hand():
    # Cluster 0 is seen by cameras 0 (images 0, 1) and 2 (image 2), cluster 1 by camera 0 (image 3);
    # image 4 is an outlier, image 5 of an unknown camera.
    features = torch.tensor([[1.0, 0], [0, 1], [0, -2], [3, 0], [9, 9], [9, 9]])[:, None]
    labels = np.array([0, 0, 0, 1, -1, 1], np.int32)
    camids = np.array([0, 0, 2, 0, 0, -1], np.int32)
    proxies = camera_proxies(features, labels, camids)
    half = math.sqrt(0.5)
    torch.testing.assert_close(proxies.features, torch.tensor([[[half, half], [0, -1], [1, 0]]]))
    assert proxies.labels.tolist() == [0, 0, 1]
    assert proxies.camids.tolist() == [0, 2, 0]


def test_proxies_equal_loops():
    rng = np.random.default_rng(0)
    N, S, D = 40, 3, 5
    features = torch.from_numpy(rng.standard_normal((N, S, D)).astype(np.float16))
    labels = rng.integers(-1, 4, N).astype(np.int32)
    camids = rng.integers(-1, 3, N).astype(np.int32)
    proxies = camera_proxies(features, labels, camids)
    pairs = sorted({(y, c) for y, c in zip(labels, camids, strict=True) if y >= 0 and c >= 0})
    assert list(zip(proxies.labels.tolist(), proxies.camids.tolist(), strict=True)) == pairs
    for m, (label, camid) in enumerate(pairs):
        members = (labels == label) & (camids == camid)
        for space in range(S):
            mean = features[members, space].double().mean(0)
            np.testing.assert_allclose(proxies.features[space, m], mean / mean.norm(), atol=1e-6)
