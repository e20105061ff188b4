"""Make the model that the first alternation starts from."""

import torch

from pplr.network.backbones import make_backbone
from pplr.network.checkpoint import write_model
from pplr.network.checks import check_rows
from pplr.network.model import ReIDModel
from pplr.network.weights import load_backbone, pretrained_state
from stages import settings


def main() -> None:
    """Write data/models/init from `weights`: the schedule's file, ImageNet's or random ones."""
    params = settings.params()
    torch.manual_seed(params.seed)  # decides the weights where they are random
    size = {"height": params.height, "width": params.width}
    backbone = make_backbone(params.backbone, **size)
    check_rows(backbone.num_rows, params.num_parts)
    state = pretrained_state(params.weights, params.backbone)
    if state is not None:
        left_out = load_backbone(backbone, state, where=params.weights)
        if left_out:
            more = f", … and {len(left_out) - 6} more" if len(left_out) > 6 else ""
            print(f"keys of {params.weights} left out: {', '.join(left_out[:6])}{more}")
    model = ReIDModel(backbone, params.num_parts, pooling=params.pooling)
    write_model(
        settings.PATHS.model("init"),
        model,
        {
            "backbone": params.backbone,
            **size,
            "num_parts": params.num_parts,
            "pooling": params.pooling,
            "mean": backbone.mean,
            "std": backbone.std,
        },
    )
