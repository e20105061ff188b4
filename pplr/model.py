"""The model: a shared backbone, global and part pooling, a BNNeck for each space."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pplr.backbones import Backbone


class ReIDModel(nn.Module):
    """Embeddings of an image in the global space and in P part spaces (Sec. 3.1).

    Parameters
    ----------
    backbone
        Gives the feature map (B,D,h,w).
    num_parts
        P, the number of horizontal parts.
    """

    def __init__(self, backbone: Backbone, num_parts: int):
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


def centroid_classifiers(
    global_features: Tensor, part_features: Tensor, pseudo_labels: Tensor
) -> Tensor:
    """Return the classifiers an epoch starts with: each cluster's normalised mean feature.

    Exactly C classes; the original system caps them at 3,000 and keeps a stale rest.

    Parameters
    ----------
    global_features
        (N,D) float.
    part_features
        (N,P,D) float.
    pseudo_labels
        (N,) int64, -1 for outliers, which belong to no class; C clusters.

    Returns
    -------
    Tensor
        (1+P,C,D) float32: the global classifier, then one for each part.
    """
    kept = pseudo_labels >= 0
    labels = pseudo_labels[kept]
    spaces = torch.cat([global_features[kept].unsqueeze(1), part_features[kept]], dim=1).float()
    C = int(labels.max()) + 1
    sums = torch.zeros(C, *spaces.shape[1:]).index_add_(0, labels, spaces)  # (C,1+P,D)
    return F.normalize(sums, dim=2).transpose(0, 1).contiguous()


def classify(embeddings: Tensor, classifiers: Tensor) -> Tensor:
    """Return logits (B,1+P,C) of embeddings (B,1+P,D) by bias-free classifiers (1+P,C,D)."""
    return torch.einsum("bsd,scd->bsc", embeddings, classifiers)
