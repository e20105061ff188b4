"""What cannot be computed on, and what is said of it: no stage depends on the words here."""

import numpy as np
from numpy.typing import NDArray

from pplr.errors import ClusteringError, SettingError


def check_clusters(pseudo_labels: NDArray[np.int32]) -> None:
    """Raise a ClusteringError unless there are two clusters at least to train on."""
    num_clusters = int(pseudo_labels.max(initial=-1)) + 1
    if num_clusters < 2:
        raise ClusteringError(
            what="There are too few clusters to train on.",
            where="eps, min_samples",
            value=f"{num_clusters} clusters, {int((pseudo_labels < 0).sum())} outliers "
            f"among {len(pseudo_labels)} images",
            allowed="two clusters at least",
            next_step="raise `eps` or lower `min_samples` where most are outliers; "
            "lower `eps` where all are one cluster",
        )


def check_shares(counts: list[int]) -> None:
    """Raise a ClusteringError unless each process has two images of a batch, for batch norm.

    Parameters
    ----------
    counts
        The number of images of each process; few clusters make small batches.
    """
    if min(counts) < 2:
        raise ClusteringError(
            what="There are too few clusters for so many processes.",
            where="launcher, eps and min_samples in params.yaml",
            value=f"{len(counts)} processes, batches of {sum(counts)} images",
            allowed="two images of a batch for each process at least",
            next_step=f"start at most {sum(counts) // 2} processes, or change `eps` so that there "
            "are more clusters",
        )


def check_cameras(camids: NDArray[np.int32]) -> None:
    """Raise a SettingError unless the images are of two known cameras at least."""
    num_cameras = len(np.unique(camids[camids >= 0]))
    if num_cameras < 2:
        raise SettingError(
            what="The camera loss has no cameras to tell apart.",
            where="camera_aware in params.yaml",
            value=f"true, with training images of {num_cameras} known camera(s)",
            allowed="two known cameras at least",
            next_step="set `camera_aware: false`, or `pplr configure … --no-cameras`",
        )
