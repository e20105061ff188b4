"""Pixels as a backbone takes them."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Colour = tuple[float, float, float]  # red, green, blue, in shares of full intensity

# Mean and standard deviation of ImageNet's training images: what torchvision's weights were trained
# with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def to_normalised(
    images: NDArray[np.uint8] | Tensor,
    device: torch.device | str,
    *,
    mean: Colour = IMAGENET_MEAN,
    std: Colour = IMAGENET_STD,
) -> Tensor:
    """Return images as a backbone takes them: less the mean, over the deviation, by channel.

    Parameters
    ----------
    images
        (B, H, W, 3) uint8, RGB.
    device
        Where the result lies; uint8 is moved, a quarter of the bytes.
    mean, std
        Of the images that the backbone's weights were trained on.

    Returns
    -------
    Tensor
        (B, 3, H, W) float32, in channels-last memory order.
    """
    if isinstance(images, np.ndarray):
        # torch warns of a read-only array, such as a mapped file: only that is copied.
        images = torch.from_numpy(np.require(images, requirements=["C", "W"]))
    width = images.shape[2]
    means = torch.tensor(mean, device=device).mul_(255).repeat(width)  # (W·3,)
    stds = torch.tensor(std, device=device).mul_(255).repeat(width)
    # Whole rows at a time, (B, H, W·3): loops over three channels would be slow.
    scaled = images.to(device).flatten(2).float().sub_(means).div_(stds)
    return scaled.view(images.shape).permute(0, 3, 1, 2)  # (B, H, W, 3) -> (B, 3, H, W), a view
