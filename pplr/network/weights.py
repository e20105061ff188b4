"""Pretrained weights into a backbone: from a file, from torchvision, or random."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from pplr.network.backbones import Backbone
from pplr.network.checks import misfit, no_imagenet_weights, no_state_dict, unreadable_weights

if TYPE_CHECKING:
    from pplr.network.timm import TimmBackbone


def load_backbone(
    backbone: Backbone | TimmBackbone, state: dict[str, Tensor], *, where: str
) -> list[str]:
    """Load a state dict into a backbone in place, as `load_weights`; return what was left out.

    A network of timm has timm's own keys, and its position embedding is fitted to the images.
    """
    if isinstance(backbone, Backbone):
        return load_weights(backbone, state, where=where)
    return load_weights(backbone.network, backbone.adapt(state, where=where), where=where)


def load_weights(network: nn.Module, state: dict[str, Tensor], *, where: str) -> list[str]:
    """Load a state dict into a network in place; return the keys that were left out.

    Left out are the keys of layers the network does not have, as a classifier. Batch counters
    (`num_batches_tracked`) may be missing: nothing reads them.

    Raises
    ------
    WeightsError
        Keys are missing, shapes differ, or a layer the network has holds keys it does not have, as
        with ResNet-101's weights, among which are all keys of ResNet-50. All of them are listed.
    """
    wanted = network.state_dict()
    layers = {key.split(".")[0] for key in wanted}
    missing = [key for key in wanted if key not in state and not key.endswith("batches_tracked")]
    unexpected = [key for key in state if key not in wanted]
    shapes = [
        f"{key}: {tuple(state[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    if missing or shapes or any(key.split(".")[0] in layers for key in unexpected):
        raise misfit(where, len(wanted), missing=missing, unexpected=unexpected, shapes=shapes)
    network.load_state_dict({key: state[key] for key in wanted if key in state}, strict=False)
    return unexpected


def pretrained_state(weights: str, backbone: str) -> dict[str, Tensor] | None:
    """Return the state dict that the setting `weights` names; None for `random`.

    Parameters
    ----------
    weights
        `random`, `imagenet`, or the path of a file.
    backbone
        Name of the backbone, for `imagenet`.

    Raises
    ------
    WeightsError
        The weights cannot be read or downloaded.
    """
    if weights == "random":
        return None
    if weights == "imagenet":
        return download_imagenet_weights(backbone)
    return read_weights(Path(weights))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the state dict of a safetensors or PyTorch file; no pickled code is run.

    Raises
    ------
    WeightsError
        The file is missing, cannot be read, or holds no state dict.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises what its parsing of broken bytes runs into
        raise unreadable_weights(path, error) from None
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise no_state_dict(path, state)
    return {str(key).removeprefix("module."): value for key, value in state.items()}


def download_imagenet_weights(backbone: str) -> dict[str, Tensor]:
    """Return torchvision's or timm's weights of a backbone, downloaded unless already cached.

    Raises
    ------
    WeightsError
        There are none for this backbone, or they cannot be downloaded.
    """
    try:
        if backbone.startswith("timm/"):
            from pplr.network.timm import pretrained_timm_state  # an extra

            return pretrained_timm_state(backbone)
        import torchvision  # two seconds that weights from a file need not wait

        weights = torchvision.models.get_model_weights(backbone)["IMAGENET1K_V1"]
        return dict(weights.get_state_dict(progress=False, check_hash=True))
    except (ValueError, OSError, RuntimeError) as error:  # a wrong hash is a RuntimeError
        raise no_imagenet_weights(backbone, error) from None
