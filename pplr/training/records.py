"""What an epoch of training reads, and what it leaves."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pplr.storage.images import PackedImages
from pplr.training.refined import RefinedLabels


@dataclass(frozen=True, eq=False, kw_only=True)
class EpochData:
    """What an epoch is trained on; N images, D feature size, P parts. Nothing of it is true labels.

    Parameters
    ----------
    images
        N images.
    camids
        (N,) int32, -1 unknown.
    pseudo_labels
        (N,) int32, -1 for outliers, which are left out.
    global_features, part_features
        (N,D) and (N,P,D), the features that were clustered: the classifiers' first weights.
    agreement
        (N,P) float32, Eq. 6.
    part_agreement
        (N,P,P) float32; None unless parts refine parts.
    """

    images: PackedImages
    camids: NDArray[np.int32]
    pseudo_labels: NDArray[np.int32]
    global_features: NDArray[np.floating]
    part_features: NDArray[np.floating]
    agreement: NDArray[np.float32]
    part_agreement: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class EpochStart:
    """What the epoch before leaves beside its model; empty before the first.

    Parameters
    ----------
    optimizer
        `EpochResult.optimizer`.
    teacher
        `EpochResult.teacher`; read by the mean teacher alone.
    """

    optimizer: dict[str, Tensor] | None = None
    teacher: dict[str, Tensor] | None = None


@dataclass(frozen=True, eq=False)
class EpochResult:
    """What an epoch leaves beside the trained model.

    Parameters
    ----------
    optimizer
        Adam's moments of backbone and BNNecks by parameter name, for the next epoch.
    teacher
        The state of the mean teacher's model, for the next epoch; None without one.
    classifiers
        (1+P,C,D), the trained classifiers.
    refined
        What each image was last trained on.
    losses
        Mean over the iterations of each summand of the objective, by name.
    lr
        The epoch's learning rate.
    images_per_second
        Over the whole batch, with all processes.
    waiting_share
        Share of the time in which this process waited for its next batch, in [0,1].
    """

    optimizer: dict[str, Tensor]
    teacher: dict[str, Tensor] | None
    classifiers: Tensor
    refined: RefinedLabels
    losses: dict[str, float]
    lr: float
    images_per_second: float
    waiting_share: float
