"""Model folders in and out: safetensors and JSON, no pickle."""

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from pplr.errors import PplrError
from pplr.network.backbones import make_backbone
from pplr.network.checks import (
    check_model_numbers,
    check_model_settings,
    check_same,
    no_model,
    unreadable_model,
)
from pplr.network.model import ReIDModel
from pplr.network.normalising import Colour
from pplr.storage.checksums import check_folder
from pplr.storage.json_files import read_json, write_json
from pplr.storage.layout import ModelFiles
from pplr.storage.replacing import replacing

_SIZE = "size"  # of the images, in the head of a file of weights


def write_model(
    path: Path,
    model: ReIDModel,
    settings: dict[str, Any],
    *,
    optimizer: dict[str, Tensor] | None = None,
    teacher: dict[str, Tensor] | None = None,
    classifiers: Tensor | None = None,
) -> None:
    """Write a model folder, replacing it as a whole.

    Parameters
    ----------
    path
        The folder; it gets `weights.safetensors`, `settings.json` and, where given,
        `optimizer.safetensors`, `ema.safetensors` and `classifiers.safetensors`.
    model
        The model.
    settings
        `backbone`, `height`, `width`, `num_parts`, `pooling`, and `mean` and `std` of the
        pixels, from which `read_model` builds the model again.
    optimizer
        Optimizer state of backbone and BNNecks, by `exp_avg.<parameter>` and the like.
    teacher
        State of the mean teacher's model.
    classifiers
        (1+P,C,D), for looking only: every epoch starts with new ones.
    """
    others = {
        "optimizer": optimizer,
        "teacher": teacher,
        "classifiers": None if classifiers is None else {"classifiers": classifiers},
    }
    given = {name: tensors for name, tensors in others.items() if tensors is not None}
    weights = model.state_dict()
    with replacing(path, sum(map(_num_bytes, (weights, *given.values())))) as temporary:
        temporary.mkdir()
        files = ModelFiles(temporary)
        # one key alone: safetensors writes several in any order
        size = {_SIZE: f"{settings['height']}x{settings['width']}"}
        write_json(files.settings, settings)
        save_file(_packed(weights), files.weights, metadata=size)
        for name, tensors in given.items():
            save_file(_packed(tensors), getattr(files, name))
        for file in temporary.glob("*.safetensors"):  # which are for their owner alone until now
            shutil.copymode(files.settings, file)


def epoch_bytes(model: ReIDModel, num_clusters: int, *, with_teacher: bool) -> int:
    """Return how large the folder of a model after an epoch will be.

    Parameters
    ----------
    model
        The model.
    num_clusters
        C, of which each space has a classifier.
    with_teacher
        Whether there is a mean teacher, as large as the model.
    """
    moments = 2 * _num_bytes(dict(model.named_parameters()))  # Adam's
    classifiers = 4 * len(model.bnnecks) * num_clusters * model.backbone.num_features
    return (1 + with_teacher) * _num_bytes(model.state_dict()) + moments + classifiers


def read_model(path: Path) -> ReIDModel:
    """Return the model of a folder, on the CPU.

    Raises
    ------
    MissingInputError
        There is no model in the folder.
    DataError
        A file of it is damaged or missing, or holds NaN or infinite values.
    """
    files = ModelFiles(path)
    if not files.weights.is_file():
        raise no_model(path)
    check_folder(path, whole=True)
    try:
        settings = read_settings(path)
        check_model_settings(files.settings, settings)
        size = {"height": settings["height"], "width": settings["width"]}
        backbone = make_backbone(settings["backbone"], **size)
        backbone.mean = _colour(settings.get("mean", backbone.mean))
        backbone.std = _colour(settings.get("std", backbone.std))
        pooling = settings.get("pooling", "mean")
        model = ReIDModel(backbone, settings["num_parts"], pooling=pooling)
    except PplrError:  # timm is not there, say
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise unreadable_model(files.settings, f"{type(error).__name__}: {error}") from None
    try:
        model.load_state_dict(read_tensors(files.weights))
    except RuntimeError as error:  # its lines list every key
        raise unreadable_model(files.weights, str(error).splitlines()[1].strip()) from None
    return model


def _colour(values: Any) -> Colour:
    """Return three numbers; raise a TypeError or ValueError where they are none."""
    red, green, blue = map(float, values)
    return red, green, blue


def recorded_size(weights: Path) -> tuple[int, int] | None:
    """Return height and width of the images a model of ours was trained on; None for other files.

    They stand in the file of the weights itself, which is what DVC watches of them.
    """
    try:
        with safe_open(weights, "pt") as file:
            height, width = (file.metadata() or {})[_SIZE].split("x")
        return int(height), int(width)
    except (OSError, SafetensorError, KeyError, ValueError):  # no file of ours
        return None


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings a model folder was built from."""
    return read_json(ModelFiles(path).settings)


def read_optimizer(path: Path, model: ReIDModel) -> dict[str, Tensor] | None:
    """Return the optimizer state of a model folder; None before the first epoch.

    Parameters
    ----------
    path
        The folder.
    model
        Its model, which the state must fit.

    Raises
    ------
    DataError
        The state is damaged, or of another model.
    """
    wanted = {"step": torch.zeros(())}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            wanted |= {f"exp_avg.{name}": parameter, f"exp_avg_sq.{name}": parameter}
    return _read_if_there(ModelFiles(path).optimizer, wanted)


def read_teacher(path: Path, model: ReIDModel) -> dict[str, Tensor] | None:
    """Return the state of the mean teacher's model; None where a model has no teacher.

    Parameters and errors are those of `read_optimizer`.
    """
    return _read_if_there(ModelFiles(path).teacher, model.state_dict())


def _read_if_there(file: Path, wanted: dict[str, Tensor]) -> dict[str, Tensor] | None:
    if not file.is_file():
        return None
    tensors = read_tensors(file)
    check_same(file, tensors, wanted)
    return tensors


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a file of a model folder, on the CPU.

    Raises
    ------
    DataError
        They are damaged, or hold NaN or infinite values.
    """
    try:
        tensors = load_file(file)
    except SafetensorError as error:
        raise unreadable_model(file, str(error)) from None
    check_model_numbers(file, tensors)
    return tensors


def _num_bytes(tensors: dict[str, Any]) -> int:
    return sum(tensor.nbytes for tensor in tensors.values())


def _packed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    # detached, on the CPU and in the plain memory layout, so that the bytes depend on values alone;
    # each with memory of its own, for layers may share theirs
    return {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
