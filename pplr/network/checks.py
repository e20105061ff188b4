"""What a network cannot do or be, and what is said of it."""

import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pplr.errors import DataError, MissingInputError, SettingError, WeightsError
from pplr.network.weight_checks import num_not_finite
from pplr.settings.checks import backbone_error
from pplr.settings.params import allowed_values, is_allowed


def check_rows(num_rows: int, num_parts: int) -> None:
    """Raise a SettingError where a feature map has fewer rows than parts.

    Parameters
    ----------
    num_rows
        Rows of the feature map.
    num_parts
        P.
    """
    if num_rows < num_parts:
        raise SettingError(
            what="The feature map has fewer rows than there are parts.",
            where="num_parts, height and backbone in params.yaml",
            value=f"{num_parts} parts, {num_rows} rows",
            allowed=f"at most {num_rows} parts",
            next_step="lower `num_parts`, raise `height`, or take a backbone of smaller stride",
        )


def no_feature_map(name: str, error: Exception, *, height: int, width: int) -> SettingError:
    """Return the error for a model of timm that makes no feature map of images of a size."""
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    return backbone_error(name, reason, f"a model that takes images of {height} x {width}")


def unknown_grid(where: str, found: str, *, size: tuple[int, int]) -> WeightsError:
    """Return the error for positions of patches in a grid that cannot be known.

    Parameters
    ----------
    where
        Where the weights are from.
    found
        How many positions they hold.
    size
        Height and width of the images, pixels.
    """
    return WeightsError(
        what="The weights were trained at an image size that cannot be known.",
        where=where,
        value=f"{found}: no square grid of patches, and the size is not in the file",
        allowed=f"a square grid, which is resampled to {size[0]} x {size[1]}, or a grid of that "
        "size",
        next_step="set `height` and `width` to the size the weights were trained at, or take "
        "weights trained on square images",
    )


def no_imagenet_weights(weights: str, backbone: str, error: Exception) -> WeightsError:
    """Return the error for named weights that are not there or cannot be downloaded."""
    reason = (str(error).splitlines() or ["no reason given"])[0]
    return WeightsError(
        what="The ImageNet weights cannot be had.",
        where=f"weights: {weights}, backbone: {backbone}",
        value=f"{type(error).__name__}: {reason[:160]}",
        allowed="a backbone with published weights, and a network or a cache of them",
        next_step="set `weights` to a file with `pplr configure … --set weights=PATH`",
    )


def broken_download(path: Path, error: Exception) -> WeightsError:
    """Return the error for downloaded weights that are broken in torch's cache."""
    return WeightsError(
        what="The downloaded weights cannot be read.",
        where=str(path),
        value=f"{type(error).__name__}, as of a file that was cut or changed",
        allowed="the file that torchvision publishes, or none",
        next_step="remove the file: it is downloaded again",
    )


def check_extracted(features: NDArray[np.float32], rows: NDArray[np.int64], *, what: str) -> None:
    """Raise a DataError where a model has given NaN or infinite features.

    Parameters
    ----------
    features
        (n, 1+P, D), or as many dimensions behind the first as there are.
    rows
        (n,) the images they are of.
    what
        Name of the images.
    """
    wrong = ~np.isfinite(features).reshape(len(features), -1).all(axis=1)
    if wrong.any():
        raise DataError(
            what="The model gives features that are NaN or infinite.",
            where=what,
            value=f"image {rows[wrong.argmax()]} is the first of {int(wrong.sum())} in its batch",
            allowed="finite features",
            next_step="its weights are numbers that no training leaves, as huge ones or a negative "
            "running_var: look at the file of the weights, or at the losses of the epochs before",
        )


def no_model(path: Path) -> MissingInputError:
    """Return the error for a folder without a model."""
    return MissingInputError(
        what="A model is missing.",
        where=str(path),
        value="no weights.safetensors",
        allowed="a model folder written by init-model or train-epoch",
        next_step="run `dvc repro`, which makes it",
    )


def unreadable_model(file: Path, problem: str) -> DataError:
    """Return the error for a file of a model that cannot be used."""
    return DataError(
        what="A model's file cannot be read.",
        where=str(file),
        value=problem,
        allowed="what init-model or train-epoch wrote",
        next_step="remove the model's folder and run `dvc repro`",
    )


def check_model_settings(file: Path, settings: Mapping[str, Any]) -> None:
    """Raise a DataError where a model's settings are none that params.yaml may have.

    A number of parts without an end would take all memory.
    """
    for key in ("backbone", "height", "width", "num_parts", "pooling"):
        if key in settings and not is_allowed(key, settings[key]):
            found = f"{key}: {reprlib.repr(settings[key])}, where {allowed_values(key)} is allowed"
            raise unreadable_model(file, found)


def check_model_numbers(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """Raise a DataError where a value in a file of a model is NaN or infinite."""
    for key, value in tensors.items():
        if count := num_not_finite(value):
            problem = f"{key}: {count} of {value.numel()} values are NaN or infinite"
            raise unreadable_model(file, problem)


def check_same(file: Path, tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Raise a DataError unless a model's file holds the tensors wanted: names, shapes and kinds."""
    for key in {**wanted, **tensors}:
        found, allowed = (
            f"{tuple(there[key].shape)} {there[key].dtype}" if key in there else "nothing"
            for there in (tensors, wanted)
        )
        if found != allowed:
            raise unreadable_model(file, f"{key}: {found}, where the model has {allowed}")


def no_classifiers(file: Path) -> MissingInputError:
    """Return the error for a model whose classifiers are not there."""
    return MissingInputError(
        what="A model has no classifiers.",
        where=str(file),
        value="no such file",
        allowed="the classifiers that train-epoch writes beside the model",
        next_step="remove the model's folder and run `dvc repro`, which fetches or makes it anew",
    )


def check_classifiers(
    file: Path, tensors: Mapping[str, Tensor], wanted: tuple[int, int, int]
) -> None:
    """Raise a DataError unless a file holds the classifiers of a model's clusters, and no more.

    Parameters
    ----------
    file
        The file.
    tensors
        What it holds.
    wanted
        The shape (1+P,C,D).
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if shapes != {"classifiers": wanted}:
        raise DataError(
            what="A model's classifiers are not those of its clusters.",
            where=str(file),
            value=", ".join(f"{name} of shape {shape}" for name, shape in shapes.items()) or "none",
            allowed=f"classifiers of shape {wanted}: spaces, clusters, features",
            next_step="run `dvc repro`, which makes clusters and models that belong together",
        )
