"""Backbones from timm, an extra: `pip install -e '.[timm]'`."""

import inspect
import math
import sys
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from pplr.network.checks import no_feature_map, unknown_grid
from pplr.settings.checks import check_timm_name, import_timm
from pplr.settings.groups import TIMM

POSITIONS = "pos_embed"
PATCHES = "patch_embed.proj.weight"


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
        self.short, self.size = name.removeprefix(TIMM), (height, width)
        try:
            self.network = _create(self.short, self.size)
            # layers behind the map would be parameters that get no gradient
            self.network.prune_intermediate_layers(1, prune_norm=False, prune_head=True)
            with torch.no_grad():
                feature_map = self.eval()(torch.zeros(1, 3, height, width))
        except (AttributeError, AssertionError, RuntimeError, TypeError, ValueError) as error:
            raise no_feature_map(name, error, height=height, width=width) from None
        self.num_features, self.num_rows = feature_map.shape[1:3]
        config = self.network.pretrained_cfg  # of the name with its tag
        self.mean, self.std = tuple(config["mean"]), tuple(config["std"])

    def forward(self, images: Tensor) -> Tensor:
        """Return the feature map, through the last norm where the network has one."""
        (feature_map,) = self.network.forward_intermediates(
            images, indices=1, norm=True, output_fmt="NCHW", intermediates_only=True
        )
        return feature_map  # type: ignore[no-any-return]

    def adapt(
        self, state: dict[str, Tensor], *, where: str, trained_at: tuple[int, int] | None = None
    ) -> dict[str, Tensor]:
        """Return a state dict under the network's names, its positions fitted to the images.

        timm's own function for this network does both. Weights that it cannot make sense of come
        back as they are: `load_weights` says what does not fit.

        Parameters
        ----------
        state
            Of the network at any size, as timm or the network's authors publish it.
        where
            Where the weights are from.
        trained_at
            Height and width of the images they were trained on, pixels; None is unknown.

        Raises
        ------
        WeightsError
            The grid of the positions cannot be known.
        """
        if POSITIONS in state and PATCHES in state:
            size = self._size_of(state[POSITIONS], state[PATCHES], trained_at, where=where)
            self.network.pretrained_model_args = {"img_size": size}  # what timm's function asks
        fit = _timms_filter(self.short)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of torch, how timm indexes a tensor
                return fit(dict(state), self.network)
        except Exception as error:  # timm takes the weights for its network's own
            if isinstance(error, ValueError) and "source window" in str(error):
                raise unknown_grid(where, str(error), size=self.size) from None
            return state

    def _size_of(
        self,
        positions: Tensor,
        patches: Tensor,
        trained_at: tuple[int, int] | None,
        *,
        where: str,
    ) -> tuple[int, int]:
        """Return the size (height, width) of the images that a position embedding is of.

        In turn: the size that is known, timm's for the model's name, a square, our own.
        """
        own = self.network.state_dict().get(POSITIONS)
        if own is None or own.ndim != 3 or positions.ndim != 3 or patches.ndim != 4:
            return self.size  # no list of tokens: nothing to find out
        height, width = (max(side, 1) for side in patches.shape[2:])
        prefix = own.shape[1] - math.prod(self.network.patch_embed.grid_size)
        tokens = positions.shape[1] - prefix
        side = math.isqrt(max(tokens, 0))
        timms = self.network.pretrained_cfg["input_size"][1:]
        for size in (trained_at, timms, (side * height, side * width), self.size):
            if size and (size[0] // height) * (size[1] // width) == tokens:
                return size[0], size[1]
        raise unknown_grid(where, f"positions of {tokens} patches", size=self.size)


def pretrained_timm_state(name: str) -> dict[str, Tensor]:
    """Return timm's pretrained weights of a model, downloaded unless already cached."""
    model = import_timm(name).create_model(name.removeprefix(TIMM), pretrained=True)
    return dict(model.state_dict())


def _timms_filter(short: str) -> Callable[..., dict[str, Tensor]]:
    """Return timm's function that fits a state dict to a model, which its module names alike."""
    timm = import_timm(short)
    module = sys.modules[timm.models.model_entrypoint(short.partition(".")[0]).__module__]
    fit = getattr(module, "checkpoint_filter_fn", None)
    if fit is None:
        return lambda state, _: state
    # as timm sets it for DeiT III, the only one whose authors have other names of layer scales
    if "adapt_layer_scale" in inspect.signature(fit).parameters:
        return lambda state, network: fit(state, network, adapt_layer_scale=True)
    return fit  # type: ignore[no-any-return]


def _create(short: str, size: tuple[int, int]) -> Any:
    """Return the model as timm has it; transformers are told the images' size."""
    timm = import_timm(short)
    try:
        return timm.create_model(short, img_size=size, num_classes=0)
    except TypeError:  # convolutional networks take no img_size
        return timm.create_model(short, num_classes=0)
