"""Checks of settings against each other and against what lies on disk."""

import contextlib
import io
import shlex
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
    check_launcher(params.launcher)
    if params.backbone.startswith("timm/"):
        from pplr.timm_backbone import check_timm_name  # an extra

        check_timm_name(params.backbone)
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


def check_launcher(launcher: str) -> None:
    """Raise a SettingError where torchrun does not take the launcher's options."""
    if launcher == "python":
        return
    from torch.distributed.run import get_args_parser  # two seconds that one process need not wait

    words = shlex.split(launcher)[1:]
    messages = io.StringIO()
    try:
        with contextlib.redirect_stderr(messages):
            get_args_parser().parse_args([*words, "-m", "stages.launch"])
    except SystemExit:
        lines = messages.getvalue().splitlines() or ["no options that start a stage"]
        raise SettingError(
            what="torchrun does not take these options.",
            where="launcher in params.yaml",
            value=f"{launcher}: {lines[-1]}",
            allowed="python, or torchrun with its own options",
            next_step="as `launcher: torchrun --standalone --nproc-per-node 2`",
        ) from None


def check_rows(num_rows: int | None, num_parts: int) -> None:
    """Raise a SettingError where a feature map has fewer rows than parts.

    Parameters
    ----------
    num_rows
        Rows of the feature map; None where they follow from `height`, which is checked with the
        settings.
    num_parts
        P.
    """
    if num_rows is not None and num_rows < num_parts:
        raise SettingError(
            what="The feature map has fewer rows than there are parts.",
            where="num_parts, height and backbone in params.yaml",
            value=f"{num_parts} parts, {num_rows} rows",
            allowed=f"at most {num_rows} parts",
            next_step="lower `num_parts`, raise `height`, or take a backbone of smaller stride",
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
