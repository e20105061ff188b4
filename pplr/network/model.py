"""The model: a shared backbone, global and part pooling, a BNNeck for each space."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pplr.network.normalising import to_normalised

if TYPE_CHECKING:
    from pplr.network.backbones import Backbone
    from pplr.network.timm import TimmBackbone


class ReIDModel(nn.Module):
    """Embeddings of an image in the global space and in P part spaces (Sec. 3.1).

    Parameters
    ----------
    backbone
        Gives the feature map (B,D,h,w).
    num_parts
        P, the number of horizontal parts.
    pooling
        `mean` or `gem`, of the global space; the parts are means.
    """

    def __init__(self, backbone: Backbone | TimmBackbone, num_parts: int, *, pooling: str = "mean"):
        super().__init__()
        self.backbone = backbone
        self.num_parts = num_parts
        self.pooling = {"mean": MeanPooling, "gem": PowerMeanPooling}[pooling]()
        self.bnnecks = nn.ModuleList(
            nn.BatchNorm1d(backbone.num_features) for _ in range(1 + num_parts)
        )
        for bnneck in self.bnnecks:
            assert isinstance(bnneck, nn.BatchNorm1d)
            bnneck.bias.requires_grad = False  # BNNeck: the bias stays 0

    def forward(self, images: Tensor) -> Tensor:
        """Return embeddings (B,1+P,D) of normalised images (B,3,H,W), unnormalised.

        Space 0 is the global one; spaces 1…P are the parts from the top down.
        """
        feature_map = self.backbone(images)  # (B,D,h,w)
        global_pooled = self.pooling(feature_map)  # (B,D)
        part_pooled = F.adaptive_avg_pool2d(feature_map, (self.num_parts, 1))  # (B,D,P,1)
        # contiguous, as torch's batch norm else takes MKL's square roots, whose last bit depends on
        # the processor even where `arithmetic: portable` pins it
        parts = part_pooled.squeeze(3).permute(2, 0, 1).contiguous()  # (P,B,D)
        spaces = [global_pooled, *parts]  # 1+P of (B,D)
        necks = [bnneck(space) for bnneck, space in zip(self.bnnecks, spaces, strict=True)]
        return torch.stack(necks, dim=1)

    def normalised(self, images: NDArray[np.uint8] | Tensor, device: torch.device | str) -> Tensor:
        """Return images (B,H,W,3) uint8 as `forward` takes them: by the backbone's own colours."""
        return to_normalised(images, device, mean=self.backbone.mean, std=self.backbone.std)


class MeanPooling(nn.Module):
    """The mean of a feature map."""

    def forward(self, feature_map: Tensor) -> Tensor:
        """Return means (B,D) of a map (B,D,h,w)."""
        return feature_map.mean(dim=(2, 3))


class PowerMeanPooling(nn.Module):
    """The power mean of a feature map, its power p learned: GeM, Radenović et al., 2018.

    1 is the mean, and the more p grows, the nearer it is to the maximum.
    """

    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor(3.0))

    def forward(self, feature_map: Tensor) -> Tensor:
        """Return power means (B,D) of a map (B,D,h,w), its values below 1e-6 taken as that."""
        logs = feature_map.to(self.p.dtype).clamp(min=1e-6).log().flatten(2)  # (B,D,h·w)
        # by way of logarithms: powers of small values would be 0, and the root's gradient infinite
        sums = torch.logsumexp(self.p * logs, dim=2) - math.log(logs.shape[2])
        return (sums / self.p).exp()


def classify(embeddings: Tensor, classifiers: Tensor) -> Tensor:
    """Return logits (B,1+P,C) of embeddings (B,1+P,D) by bias-free classifiers (1+P,C,D)."""
    return torch.einsum("bsd,scd->bsc", embeddings, classifiers)


def autocast(device: torch.device | str, precision: str) -> torch.autocast:
    """Return the context in which a model runs in `precision`, float32 or bfloat16."""
    kind = torch.device(device).type
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=precision == "bfloat16")
