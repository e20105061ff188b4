"""Backbones from timm, an extra: `pip install -e '.[timm]'`."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from pplr.network.checks import no_feature_map
from pplr.settings.checks import check_timm_name, import_timm
from pplr.settings.groups import TIMM

POSITIONS = "pos_embed"


class TimmBackbone(nn.Module):
    """A network of timm, from normalised images (B,3,H,W) to its last feature map (B,D,h,w).

    The patch tokens of a transformer are a map, too. Strides are timm's: convolutional networks
    mostly end at H/32, transformers with patches of 16 pixels at H/16.

    Parameters
    ----------
    name
        `timm/<name>`, any model of timm that gives a feature map.
    height, width
        Size of the images, pixels.

    Raises
    ------
    SettingError
        timm is not installed, has no such model, or the model gives no map of such images.
    """

    def __init__(self, name: str, *, height: int, width: int):
        super().__init__()
        check_timm_name(name)
        try:
            self.network = _create(name.removeprefix(TIMM), height, width)
            # layers behind the map would be parameters that get no gradient
            self.network.prune_intermediate_layers(1, prune_norm=False, prune_head=True)
            with torch.no_grad():
                feature_map = self.eval()(torch.zeros(1, 3, height, width))
        except (AttributeError, AssertionError, RuntimeError, TypeError, ValueError) as error:
            raise no_feature_map(name, error, height=height, width=width) from None
        self.num_features, self.num_rows = feature_map.shape[1:3]

    def forward(self, images: Tensor) -> Tensor:
        """Return the feature map, through the last norm where the network has one."""
        (feature_map,) = self.network.forward_intermediates(
            images, indices=1, norm=True, output_fmt="NCHW", intermediates_only=True
        )
        return feature_map  # type: ignore[no-any-return]

    def adapt(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return a state dict of the network with its position embedding fitted to the images.

        A grid of other size is resampled (timm's bicubic way). A grid that was no square is taken
        to have had the images' aspect.
        """
        wanted = self.network.state_dict().get(POSITIONS)
        given = state.get(POSITIONS)
        if wanted is None or given is None or wanted.shape == given.shape or given.ndim != 3:
            return state
        from timm.layers.pos_embed import resample_abs_pos_embed

        prefix = self.network.num_prefix_tokens
        height, width = self.network.patch_embed.grid_size
        old = _grid(given.shape[1] - prefix, height / width)
        if old is None:
            return state  # load_weights says that the shapes differ
        resampled = resample_abs_pos_embed(
            given, new_size=[height, width], old_size=list(old), num_prefix_tokens=prefix
        )
        return state | {POSITIONS: resampled}


def pretrained_timm_state(name: str) -> dict[str, Tensor]:
    """Return timm's pretrained weights of a model, downloaded unless already cached."""
    model = import_timm(name).create_model(name.removeprefix(TIMM), pretrained=True)
    return dict(model.state_dict())


def _grid(tokens: int, aspect: float) -> tuple[int, int] | None:
    """Return (height, width) of a grid of so many tokens: a square, or of this aspect."""
    for ratio in (1.0, aspect):
        width = round(math.sqrt(tokens / ratio))
        if width and round(width * ratio) * width == tokens:
            return tokens // width, width
    return None


def _create(short: str, height: int, width: int) -> Any:
    """Return the model without its head; transformers are told the images' size."""
    timm = import_timm(short)
    bare = {"pretrained": False, "num_classes": 0, "global_pool": ""}
    try:
        return timm.create_model(short, img_size=(height, width), **bare)
    except TypeError:  # convolutional networks take no img_size
        return timm.create_model(short, **bare)
