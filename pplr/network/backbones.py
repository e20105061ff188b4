"""Networks that give a feature map: torchvision's, timm's, and a small one."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from pplr.network.normalising import IMAGENET_MEAN, IMAGENET_STD
from pplr.settings.groups import STRIDE, TIMM

if TYPE_CHECKING:
    from pplr.network.timm import TimmBackbone


class Backbone(nn.Sequential):
    """A network from normalised images (B,3,H,W) to a feature map (B,D,H/16,W/16).

    Its layers have the names they have in the network it is taken from, so that state dicts fit.

    Parameters
    ----------
    layers
        The layers by name, in order.
    num_features
        D.
    num_rows
        Rows of the map that an image fills: H/16, rounded down.
    """

    mean, std = IMAGENET_MEAN, IMAGENET_STD  # of the images, as `to_normalised` takes them

    def __init__(self, layers: dict[str, nn.Module], *, num_features: int, num_rows: int):
        super().__init__(OrderedDict(layers))
        self.num_features = num_features
        self.num_rows = num_rows


def make_backbone(name: str, *, height: int, width: int) -> Backbone | TimmBackbone:
    """Return a backbone with random weights.

    Parameters
    ----------
    name
        One of `pplr.settings.groups.BACKBONES` or `timm/<name>`.
    height, width
        Size of the images, pixels; a transformer's positions depend on it.

    Raises
    ------
    SettingError
        timm is not installed, has no such network, or the network gives no map of these images.
    """
    if name.startswith(TIMM):
        from pplr.network.timm import TimmBackbone  # an extra

        return TimmBackbone(name, height=height, width=width)
    num_rows = height // STRIDE
    if name == "demo_resnet":
        return demo_resnet(num_rows)
    if name == "mobilenet_v2":
        return _mobilenet_v2(num_rows)
    if name == "resnet50_ibn":
        return _resnet50_ibn(num_rows)
    return _torchvision_resnet(name, num_rows)


def demo_resnet(num_rows: int) -> Backbone:
    """Return the backbone of the embedded data set: narrow, one block a stage, D = 512."""
    stem = nn.Sequential(
        *_convolution(3, 32, kernel_size=7, stride=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
    )  # (B,32,H/4,W/4)
    layers = {
        "stem": stem,
        "layer1": Residual(nn.Identity(), _basic(32, 32)),
        "layer2": Residual(_projection(32, 64, stride=2), _basic(32, 64, stride=2)),
        "layer3": Residual(_projection(64, 128, stride=2), _basic(64, 128, stride=2)),
        "layer4": Residual(_projection(128, 512), _bottleneck(128, 128, 512)),
    }
    return Backbone(layers, num_features=512, num_rows=num_rows)


class Residual(nn.Module):
    """A shortcut beside layers, both from maps (B,C,H,W) to maps (B,D,h,w) of one shape.

    torchvision has such blocks, but importing it takes as long as importing torch.
    """

    def __init__(self, shortcut: nn.Module, layers: nn.Module):
        super().__init__()
        self.shortcut = shortcut
        self.layers = layers

    def forward(self, maps: Tensor) -> Tensor:
        """Return the sum of both, cut off below 0."""
        return relu(self.layers(maps) + self.shortcut(maps))


def _basic(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    first = _convolution(inputs, outputs, kernel_size=3, stride=stride)
    second = _convolution(outputs, outputs, kernel_size=3)
    return nn.Sequential(*first, nn.ReLU(inplace=True), *second)


def _bottleneck(inputs: int, inner: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        *_convolution(inputs, inner, kernel_size=1),
        nn.ReLU(inplace=True),
        *_convolution(inner, inner, kernel_size=3),
        nn.ReLU(inplace=True),
        *_convolution(inner, outputs, kernel_size=1),
    )


def _projection(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    """Return the shortcut of a block that changes the number of channels or the size."""
    return nn.Sequential(*_convolution(inputs, outputs, kernel_size=1, stride=stride))


def _convolution(
    inputs: int, outputs: int, *, kernel_size: int, stride: int = 1
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """Return a convolution that keeps the size, but for its stride, and its batch norm."""
    padding = kernel_size // 2
    conv = nn.Conv2d(inputs, outputs, kernel_size, stride, padding, bias=False)
    return conv, nn.BatchNorm2d(outputs)


def _torchvision_resnet(name: str, num_rows: int) -> Backbone:
    import torchvision  # two seconds that the demo need not wait

    network = torchvision.models.get_model(name, weights=None)
    first = network.layer4[0]
    # the stride stands in conv1 of a BasicBlock and in conv2 of a Bottleneck
    for conv in (first.conv1, first.conv2, first.downsample[0]):
        conv.stride = (1, 1)
    layers = dict(network.named_children())
    num_features = layers.pop("fc").in_features
    del layers["avgpool"]
    return Backbone(layers, num_features=num_features, num_rows=num_rows)


def _resnet50_ibn(num_rows: int) -> Backbone:
    """Return ResNet-50 with IBN-a: in each block of the first three stages behind its first layer.

    Keys are those of the published weights (Pan et al., ECCV 2018).
    """
    backbone = _torchvision_resnet("resnet50", num_rows)
    for stage in ("layer1", "layer2", "layer3"):
        for block in backbone.get_submodule(stage).children():
            assert isinstance(block.bn1, nn.BatchNorm2d)
            block.bn1 = InstanceBatchNorm(block.bn1.num_features)
    return backbone


class InstanceBatchNorm(nn.Module):
    """Instance norm of the first half of the channels, batch norm of the others.

    The first half forgets an image's own contrast and colour cast; the second keeps them.

    Parameters
    ----------
    num_features
        C; of an odd number the second half has one more.
    """

    def __init__(self, num_features: int):
        super().__init__()
        self.num_first = num_features // 2
        self.IN = nn.InstanceNorm2d(self.num_first, affine=True)
        self.BN = nn.BatchNorm2d(num_features - self.num_first)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps (B,C,h,w) normalised."""
        first, second = maps[:, : self.num_first], maps[:, self.num_first :]
        return torch.cat((self.IN(first), self.BN(second)), dim=1)


def _mobilenet_v2(num_rows: int) -> Backbone:
    import torchvision

    network = torchvision.models.mobilenet_v2(weights=None)
    # features.14 is the only block of the last stage (160 channels) with a stride
    network.features[14].conv[1][0].stride = (1, 1)
    layers = {"features": network.features}
    return Backbone(layers, num_features=network.last_channel, num_rows=num_rows)
