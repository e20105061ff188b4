"""The model: a shared backbone, global and part pooling, a BNNeck for each space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
    """

    def __init__(self, backbone: Backbone | TimmBackbone, num_parts: int):
        super().__init__()
        self.backbone = backbone
        self.num_parts = num_parts
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
        global_pooled = feature_map.mean(dim=(2, 3))  # (B,D)
        part_pooled = F.adaptive_avg_pool2d(feature_map, (self.num_parts, 1))  # (B,D,P,1)
        spaces = [global_pooled, *part_pooled.squeeze(3).unbind(2)]  # 1+P of (B,D)
        necks = [bnneck(space) for bnneck, space in zip(self.bnnecks, spaces, strict=True)]
        return torch.stack(necks, dim=1)


def classify(embeddings: Tensor, classifiers: Tensor) -> Tensor:
    """Return logits (B,1+P,C) of embeddings (B,1+P,D) by bias-free classifiers (1+P,C,D)."""
    return torch.einsum("bsd,scd->bsc", embeddings, classifiers)


def autocast(device: torch.device | str, precision: str) -> torch.autocast:
    """Return the context in which a model runs in `precision`, float32 or bfloat16."""
    kind = torch.device(device).type
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=precision == "bfloat16")
