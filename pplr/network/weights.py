"""Pretrained weights into a backbone: from a file, from torchvision or timm, or random."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pplr.errors import PplrError
from pplr.network.backbones import Backbone
from pplr.network.checkpoint import recorded_size
from pplr.network.checks import broken_download, no_imagenet_weights
from pplr.network.prefixes import unwrapped
from pplr.network.weight_checks import check_fit, check_plain
from pplr.network.weight_files import read_weights
from pplr.settings.groups import TIMM

if TYPE_CHECKING:
    from pplr.network.timm import TimmBackbone

# torchvision's names of the weights that a setting names
PUBLISHED = {"imagenet": "IMAGENET1K_V1", "imagenet-v2": "IMAGENET1K_V2"}


def load_backbone(
    backbone: Backbone | TimmBackbone, state: dict[str, Tensor], *, where: str
) -> list[str]:
    """Load a state dict into a backbone in place, as `load_weights`; return what was left out.

    The backbone may stand within a larger model, such as one of ours, as `module.backbone.…`. A
    network of timm has timm's own keys, and its positions are fitted to the images.

    Parameters
    ----------
    backbone
        Its weights are replaced.
    state
        The weights.
    where
        The file they are from, or their name.
    """
    if isinstance(backbone, Backbone):
        inside, outside = unwrapped(state, backbone.state_dict())
        return [*load_weights(backbone, inside, where=where), *outside]
    wanted = backbone.network.state_dict()
    inside, outside = unwrapped(state, wanted)
    check_plain({key: inside[key] for key in wanted if key in inside}, where=where)
    fitted = backbone.adapt(inside, where=where, trained_at=recorded_size(Path(where)))
    return [*load_weights(backbone.network, fitted, where=where), *outside]


def load_weights(network: nn.Module, state: dict[str, Tensor], *, where: str) -> list[str]:
    """Load a state dict into a network in place; return the keys that were left out.

    Left out are the keys of layers the network does not have, as a classifier. Batch counters
    (`num_batches_tracked`) may be missing: nothing reads them.

    Raises
    ------
    WeightsError
        Keys are missing, shapes differ, or a layer the network has holds keys it does not have, as
        with ResNet-101's weights, among which are all keys of ResNet-50; or a value is no finite
        number.
    """
    wanted = network.state_dict()
    check_fit(wanted, state, where=where)
    network.load_state_dict({key: state[key] for key in wanted if key in state}, strict=False)
    return [key for key in state if key not in wanted]


def pretrained_state(weights: str, backbone: str) -> dict[str, Tensor] | None:
    """Return the state dict that the setting `weights` names; None for `random`.

    Parameters
    ----------
    weights
        `random`, `imagenet`, `imagenet-v2`, or the path of a file.
    backbone
        Name of the backbone, for ImageNet's.

    Raises
    ------
    WeightsError
        The weights cannot be read or downloaded.
    """
    if weights == "random":
        return None
    if weights in PUBLISHED:
        return download_weights(weights, backbone)
    return read_weights(Path(weights))


def download_weights(weights: str, backbone: str) -> dict[str, Tensor]:
    """Return torchvision's or timm's weights of a backbone, downloaded unless already cached.

    Parameters
    ----------
    weights
        A key of `PUBLISHED`; of timm there is `imagenet` alone, whatever it was trained on.
    backbone
        Name of the backbone.

    Raises
    ------
    WeightsError
        There are none for this backbone, they cannot be downloaded, or they are broken in the
        cache.
    """
    cached = None
    try:
        if backbone.startswith(TIMM):
            from pplr.network.timm import pretrained_timm_state  # an extra

            return pretrained_timm_state(backbone)
        import torchvision  # two seconds that weights from a file need not wait

        published = torchvision.models.get_model_weights(backbone)[PUBLISHED[weights]]
        cached = Path(torch.hub.get_dir(), "checkpoints", Path(published.url).name)
        options = {"progress": False, "check_hash": True, "weights_only": True}
        return dict(published.get_state_dict(**options))
    except PplrError:
        raise
    except Exception as error:  # of the network, a wrong hash, or what broken bytes lead to
        if cached is not None and cached.is_file():
            raise broken_download(cached, error) from None
        raise no_imagenet_weights(weights, backbone, error) from None
