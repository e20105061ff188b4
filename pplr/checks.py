"""Checks of settings against each other and against what lies on disk."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pplr.errors import ClusteringError, MissingInputError, SettingError
from pplr.params import Params
from pplr.schedule import Schedule


def check_inputs(params: Params, schedule: Schedule) -> None:
    """Raise unless the schedule's inputs exist and are those the settings speak of.

    Raises
    ------
    MissingInputError
        An input is not there, or is an empty folder.
    SettingError
        `weights` is a file other than the schedule's, a backbone has no such weights, or there is
        no such device.
    """
    check_device(params.device)
    for key, path in schedule.inputs.items():
        _check_exists(Path(path), where=f"inputs.{key} in schedule.yaml")
    weights = params.weights
    if weights == "imagenet" and params.backbone == "demo_resnet":
        raise SettingError(
            what="There are no ImageNet weights for this backbone.",
            where="weights in params.yaml",
            value="imagenet, with backbone demo_resnet",
            allowed="a file, or random",
            next_step="set `backbone` to one of torchvision's, or `weights` to a file",
        )
    if weights not in ("imagenet", "random") and weights != schedule.inputs["weights"]:
        raise SettingError(
            what="params.yaml and schedule.yaml name different weights.",
            where="weights in params.yaml, inputs.weights in schedule.yaml",
            value=f"{weights} and {schedule.inputs['weights']}",
            allowed="the same path twice, or weights: imagenet | random",
            next_step="write both with `pplr configure … --set weights=PATH`",
        )


def check_device(device: str) -> None:
    """Raise a SettingError where torch cannot use the device."""
    if device == "cpu":
        return
    import torch  # two seconds that the CPU need not wait

    count = torch.cuda.device_count()
    if int(device.partition(":")[2] or 0) >= count:
        raise SettingError(
            what="torch cannot use this device.",
            where="device in params.yaml",
            value=f"{device}, with {count} CUDA devices",
            allowed="cpu" if count == 0 else f"cpu, cuda, cuda:0 … cuda:{count - 1}",
            next_step="set `device: cpu`, or install a torch that sees the GPU",
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


def _check_exists(path: Path, *, where: str) -> None:
    empty = path.is_dir() and not any(path.iterdir())
    if not path.exists() or empty:
        raise MissingInputError(
            what="An input of the pipeline is missing.",
            where=where,
            value=f"{path}, {'an empty folder' if empty else 'which does not exist'}",
            allowed="a file or folder that is there",
            next_step="name what is there: `pplr configure … --data-dir PATH --set weights=PATH`",
        )
