"""What a network cannot do or be, and what is said of it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pplr.errors import DataError, MissingInputError, SettingError, WeightsError
from pplr.settings.checks import backbone_error


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


def misfit(
    where: str,
    num_keys: int,
    *,
    missing: Sequence[str],
    unexpected: Sequence[str],
    shapes: Sequence[str],
) -> WeightsError:
    """Return the error for weights that do not fit a network of so many keys.

    Parameters
    ----------
    where
        Where the weights are from.
    num_keys
        How many keys the network has.
    missing, unexpected
        The keys that the weights lack, and those that the network lacks.
    shapes
        Both shapes of each key whose shapes differ, as text.
    """
    listed = [("missing", missing), ("unexpected", unexpected), ("other shape", shapes)]
    return WeightsError(
        what="The weights do not fit the backbone.",
        where=where,
        value="; ".join(
            f"{len(keys)} {name}: {', '.join(keys) or 'none'}" for name, keys in listed
        ),
        allowed=f"the {num_keys} keys of the backbone, and keys of layers it does not have",
        next_step="set `backbone` to the network of these weights, or take another file",
    )


def unreadable_weights(path: Path, error: Exception) -> WeightsError:
    """Return the error for a file of weights that cannot be read."""
    reason = (str(error).splitlines() or ["no whole file"])[0]
    return _no_weights(path, f"{type(error).__name__}: {reason}")


def no_state_dict(path: Path, content: object) -> WeightsError:
    """Return the error for a file of weights that holds something else."""
    return _no_weights(path, f"a {type(content).__name__} that is no state dict")


def no_imagenet_weights(backbone: str, error: Exception) -> WeightsError:
    """Return the error for ImageNet weights that are not there or cannot be downloaded."""
    return WeightsError(
        what="The ImageNet weights cannot be had.",
        where=f"weights: imagenet, backbone: {backbone}",
        value=f"{type(error).__name__}: {error}",
        allowed="a backbone with published weights, and a network or a cache of them",
        next_step="set `weights` to a file with `pplr configure … --set weights=PATH`",
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
            next_step="its weights are finite but huge: look at the losses of the epochs before, "
            "or at the file of the weights; a lower `lr` often helps",
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


def unreadable_model(file: Path, error: Exception) -> DataError:
    """Return the error for a file of a model that cannot be read."""
    return DataError(
        what="A model's file cannot be read.",
        where=str(file),
        value=str(error),
        allowed="what init-model or train-epoch wrote",
        next_step="remove the model's folder and run `dvc repro`",
    )


def _no_weights(path: Path, value: str) -> WeightsError:
    return WeightsError(
        what="The weights cannot be read.",
        where=str(path),
        value=value,
        allowed="a state dict of tensors, as .safetensors or as torch.save writes it",
        next_step="set `weights` to such a file with `pplr configure … --set weights=PATH`",
    )
