"""Model and classifiers as one module, which several processes can train together."""

import torch
from torch import Tensor, nn

from pplr.network.model import ReIDModel, autocast, classify
from pplr.network.parallel import gather_rows


class Learner(nn.Module):
    """Embeddings and logits of a whole batch, from this process's share of it.

    Parameters
    ----------
    model
        Backbone and BNNecks.
    classifiers
        (S,C,D).
    samples_per_bn
        How many images batch norm normalises at a time; None is the whole share.
    precision
        `float32` or `bfloat16`, the arithmetic of the model; classifiers and losses are in float32.
    """

    def __init__(
        self, model: ReIDModel, classifiers: Tensor, *, samples_per_bn: int | None, precision: str
    ):
        super().__init__()
        self.model = model
        self.classifiers = nn.Parameter(classifiers)
        self.samples_per_bn = samples_per_bn
        self.precision = precision

    def forward(self, images: Tensor, counts: list[int]) -> tuple[Tensor, Tensor]:
        """Return embeddings (B,S,D) and logits (B,S,C) of the images of all processes.

        Parameters
        ----------
        images
            (b,3,H,W) normalised, of this process.
        counts
            The number of images of each process; B is their sum.
        """
        with autocast(images.device, self.precision):
            own = forward_in_groups(self.model, images, self.samples_per_bn)
        embeddings = gather_rows(own.to(self.classifiers.dtype), counts)
        return embeddings, classify(embeddings, self.classifiers)


def forward_in_groups(model: ReIDModel, images: Tensor, samples_per_bn: int | None) -> Tensor:
    """Return embeddings (b,S,D), batch norm seeing only `samples_per_bn` images at a time.

    The published figures come from four GPUs that each normalise their 16 of 64 images. Groups are
    contiguous; where b is no multiple, they are larger, below twice as large. Running statistics
    move as one step towards the mean of the groups' (the original keeps those of its first GPU), so
    that their mean over processes is what one process has.

    Parameters
    ----------
    model
        In training.
    images
        (b,3,H,W) normalised.
    samples_per_bn
        Images of a group; None is one group of all.
    """
    num_groups = max(1, len(images) // samples_per_bn) if samples_per_bn else 1
    if num_groups == 1:
        return model(images)  # type: ignore[no-any-return]
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    momenta = [norm.momentum or 0.0 for norm in norms]
    embeddings = []
    for done, group in enumerate(images.tensor_split(num_groups), start=1):
        for norm, momentum in zip(norms, momenta, strict=True):
            # weighs this group, after what the later ones take away, by momentum / num_groups
            weight = momentum / num_groups
            norm.momentum = weight / (1 - (num_groups - done) * weight)
        embeddings.append(model(group))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return torch.cat(embeddings)
