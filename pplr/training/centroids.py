"""Centroids of clusters: the classifiers an epoch starts with, and the camera-aware proxies."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

BLOCK = 4096  # features that are held in float32


class CameraProxies(NamedTuple):
    """The centroids of each cluster's images of one camera; M of them, S spaces."""

    features: Tensor  # (S,M,D) float32, L2-normalised
    labels: Tensor  # (M,) int64, the cluster
    camids: Tensor  # (M,) int64, the camera

    def to(self, device: str, dtype: torch.dtype) -> "CameraProxies":
        """Return the proxies on a device, their features in a dtype."""
        features, labels, camids = self
        return CameraProxies(features.to(device, dtype), labels.to(device), camids.to(device))


def centroid_classifiers(features: Tensor, pseudo_labels: Tensor) -> Tensor:
    """Return the classifiers an epoch starts with: each cluster's normalised mean feature.

    Exactly C classes; the original system caps them at 3,000 and keeps a stale rest.

    Parameters
    ----------
    features
        (N,S,D) float, one feature for each of S spaces.
    pseudo_labels
        (N,) int64, -1 for outliers, which belong to no class; C clusters.

    Returns
    -------
    Tensor
        (S,C,D) float32, one classifier for each space.
    """
    return _centroids(features, pseudo_labels)


def camera_proxies(
    features: Tensor, pseudo_labels: NDArray[np.int32], camids: NDArray[np.int32]
) -> CameraProxies:
    """Return the camera-aware proxies, Sec. 3.1: normalised means by cluster and camera.

    Parameters
    ----------
    features
        (N,S,D) float, one feature for each of S spaces.
    pseudo_labels
        (N,) int32, -1 for outliers, which are in no proxy.
    camids
        (N,) int32, -1 for unknown cameras, whose images are in no proxy.
    """
    kept = (pseudo_labels >= 0) & (camids >= 0)
    pairs, groups = np.unique(
        np.stack((pseudo_labels[kept], camids[kept])), axis=1, return_inverse=True
    )  # (2,M): by cluster, then by camera
    labels, cameras = torch.from_numpy(pairs).long()
    proxies = torch.full(kept.shape, -1)
    proxies[torch.from_numpy(kept)] = torch.from_numpy(groups).flatten()
    return CameraProxies(_centroids(features, proxies), labels, cameras)


def _centroids(features: Tensor, groups: Tensor) -> Tensor:
    """Return the normalised means (S,G,D) float32 of features (N,S,D) by groups (N,), -1 none."""
    sums = torch.zeros(int(groups.max()) + 1, *features.shape[1:])  # (G,S,D)
    for rows in torch.split(torch.nonzero(groups >= 0).flatten(), BLOCK):
        sums.index_add_(0, groups[rows], features[rows].float())
    return F.normalize(sums, dim=2).transpose(0, 1).contiguous()
