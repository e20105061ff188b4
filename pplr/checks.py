"""What cannot be computed on, and what is said of it: no stage depends on the words here."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pplr.errors import ClusteringError, DataError, SettingError


def check_features(features: NDArray[Any]) -> None:
    """Raise a DataError unless features are a float16 or float32 array of two dimensions."""
    if features.ndim != 2 or features.dtype not in (np.float16, np.float32):
        raise DataError(
            what="These are no features of images.",
            where="features",
            value=f"{features.dtype}, shape {features.shape}",
            allowed="float16 or float32, (N, D): a row for each image",
            next_step="features.astype(numpy.float32); of the parts, one at a time: parts[:, p]",
        )


def check_norms(norms: NDArray[np.float64]) -> None:
    """Raise a DataError where a feature is NaN, infinite, or too large to be squared as a float32.

    Parameters
    ----------
    norms
        (N,) squared norms of the features.
    """
    unusable = np.flatnonzero(~(norms < np.finfo(np.float32).max / 8))
    if len(unusable):
        raise DataError(
            what="Features hold NaN, infinite or huge values.",
            where=f"row {unusable[0]} of the features, the first of {len(unusable)} such rows",
            value=f"squared norm {norms[unusable[0]]}",
            allowed="finite features",
            next_step="look at what they were computed from: the images, and the model's weights",
        )


def check_neighborhoods(k1: int, k2: int) -> None:
    """Raise a SettingError unless 1 ≤ k2 ≤ k1."""
    if not 1 <= k2 <= k1:
        raise SettingError(
            what="k2 averages over neighbours that k1 has not searched.",
            where="k1, k2",
            value=f"k1 {k1}, k2 {k2}",
            allowed="1 ≤ k2 ≤ k1",
            next_step="lower k2 or raise k1; the paper's are 6 and 30",
        )


def too_many_pairs(N: int, max_distance: float, most: int) -> ClusteringError:
    """Return the error for more than `most` pairs of N images within a Jaccard distance."""
    return ClusteringError(
        what="Nearly all images are near each other: a few are the nearest of all.",
        where="the features, eps",
        value=f"more than {most} pairs of {N} images within {max_distance}",
        allowed=f"{most} pairs",
        next_step="lower `eps` or, at evaluation, set `rerank: false`; or look at the "
        "losses before: features may have collapsed, and a lower lr often helps",
    )


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


def check_world(batch_size: int, samples_per_bn: int | None, *, num_processes: int) -> None:
    """Raise a SettingError unless the processes share the batch evenly, in whole groups.

    Parameters
    ----------
    batch_size
        Images of one iteration, on all processes.
    samples_per_bn
        Images that batch norm normalises at a time; None is all that a process has.
    num_processes
        How many processes train.
    """
    whole = samples_per_bn or 1
    if batch_size % (num_processes * whole) or batch_size < 2 * num_processes:
        raise SettingError(
            what="The batch cannot be dealt to so many processes.",
            where="launcher, batch_size and samples_per_bn in params.yaml",
            value=f"{num_processes} processes, batch_size {batch_size}, "
            f"samples_per_bn {samples_per_bn}",
            allowed="a number of processes whose share of the batch is two images or more"
            + (f", a multiple of {whole}" if samples_per_bn else ""),
            next_step="start another number of processes, or change `batch_size`",
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


def check_cameras(camids: NDArray[np.int32], *, of: str = "training images") -> None:
    """Raise a SettingError unless the images are of two known cameras at least."""
    num_cameras = len(np.unique(camids[camids >= 0]))
    if num_cameras < 2:
        raise SettingError(
            what="The camera loss has no cameras to tell apart.",
            where="camera_aware in params.yaml",
            value=f"true, with {of} of {num_cameras} known camera(s)",
            allowed="two known cameras at least",
            next_step="set `camera_aware: false`, or `pplr configure … --no-cameras`",
        )


def check_finite(
    losses: Mapping[str, float], norms: Mapping[str, float], *, epoch: int, iteration: int
) -> None:
    """Raise a DataError if a loss, or the norm of all gradients or parameters, is no number."""
    wrong = [name for name, norm in norms.items() if not np.isfinite(norm)]
    if not np.isfinite(list(losses.values())).all():
        wrong.insert(0, "losses")
    if wrong:
        raise DataError(
            what=f"Training has lost its numbers: {', '.join(wrong)} are NaN or infinite.",
            where=f"epoch {epoch:02d}, iteration {iteration}",
            value=", ".join(f"{name} {value}" for name, value in losses.items()),
            allowed="finite losses, gradients and parameters",
            next_step="lower `lr`; the models of the epochs before are untouched",
        )


def check_distmat(distmat: NDArray[np.floating]) -> None:
    """Raise a DataError if a distance matrix holds NaN or infinite values."""
    with np.errstate(invalid="ignore"):  # inf - inf
        unusable = ~np.isfinite(distmat.sum(axis=1, dtype=np.float64))
    if unusable.any():
        raise DataError(
            what="The distance matrix holds NaN or infinite values.",
            where="distmat",
            value=f"first in row {int(unusable.argmax())}",
            allowed="distances",
            next_step="check the features it was computed from",
        )


def check_sparse(values: NDArray[np.floating], name: str) -> None:
    """Raise a DataError if a sparse matrix of this name stores NaN or infinite values."""
    unusable = np.flatnonzero(~np.isfinite(values))
    if len(unusable):
        raise DataError(
            what=f"The {name} holds NaN or infinite values.",
            where=name,
            value=f"{len(unusable)} of {len(values)} stored values, the first is "
            f"{values[unusable[0]]}",
            allowed="finite values",
            next_step="check the features it was computed from",
        )


def no_valid_query(num_queries: int, num_gallery: int) -> DataError:
    """Return the error for queries none of which has a correct image in the gallery."""
    return DataError(
        what="No query has a correct image in the gallery.",
        where="q_pids, g_pids, q_camids, g_camids",
        value=f"{num_queries} queries, {num_gallery} gallery images",
        allowed="at least one query whose person another camera has seen",
        next_step="check that query and gallery are of the same data set and cameras are right",
    )
