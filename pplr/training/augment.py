"""Transforms of whole batches for training: flip, shifted crop and erasing."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pplr.network.normalising import IMAGENET_MEAN, Colour

# Random erasing (Zhong et al., AAAI 2020): bounds of the area, as a fraction of the image, and of
# height / width.
ERASE_AREA = (0.02, 0.4)
ERASE_ASPECT = (0.3, 1 / 0.3)
ERASE_ATTEMPTS = 10


class Augmentation(NamedTuple):
    """What is done to the images of an epoch; see `draw_augmentation` and `erase`."""

    pad: int
    erase_probability: float
    mean: Colour = IMAGENET_MEAN


class Draws(NamedTuple):
    """What chance decides for each image of a batch."""

    flip: Tensor  # (B,) bool: mirror it
    top: Tensor  # (B,) int64 in 0…2·pad, the crop's corner in the padded image
    left: Tensor  # (B,) int64 in 0…2·pad
    boxes: Tensor  # (B,4) int64: top, left, height, width to erase; empty for none

    def take(self, share: slice) -> "Draws":
        """Return the draws of a process's share of the batch."""
        return Draws(*(draw[share] for draw in self))


def draw_augmentation(
    batch: int,
    height: int,
    width: int,
    *,
    pad: int,
    erase_probability: float,
    generator: torch.Generator,
) -> Draws:
    """Return how the images of a batch are flipped, shifted and erased.

    A whole batch is drawn at once, whichever share of it a process then augments, so that the
    number of processes changes nothing.

    Parameters
    ----------
    batch, height, width
        Number of images B and their size in pixels.
    pad
        Pixels of black on each side, at least 0; 0 leaves the images in place.
    erase_probability
        Chance of an image to lose a box, in [0, 1].
    generator
        The source of all randomness; how far it advances depends on B alone.
    """
    flip = _uniform((batch,), generator) < 0.5
    offsets = (_uniform((2, batch), generator) * (2 * pad + 1)).long()  # 0…2·pad
    erased = _uniform((batch,), generator) < erase_probability
    boxes = draw_boxes(batch, height, width, generator=generator) * erased[:, None]
    top, left = offsets
    return Draws(flip, top, left, boxes)


def augment(images: Tensor, draws: Draws, *, pad: int, mean: Colour = IMAGENET_MEAN) -> Tensor:
    """Return images flipped, shifted by up to `pad` pixels and partly erased, as drawn.

    All of it comes before normalising, in this order. As in the original's transforms, the shift
    is a random crop of the image padded with black.

    Parameters
    ----------
    images
        (B, H, W, 3) uint8, RGB.
    draws
        Of these B images.
    pad
        What the draws were made with, pixels.
    mean
        What fills a box, the mean that is taken away when images are normalised.

    Returns
    -------
    Tensor
        (B, H, W, 3) uint8, new memory.
    """
    shifted = flip_and_crop(images, draws.flip, draws.top, draws.left, pad=pad)
    return erase(shifted, draws.boxes, mean)


def flip_and_crop(images: Tensor, flip: Tensor, top: Tensor, left: Tensor, *, pad: int) -> Tensor:
    """Return images mirrored left to right where told, padded with black and cropped to size.

    Parameters
    ----------
    images
        (B, H, W, 3) uint8.
    flip
        (B,) bool, the images to mirror.
    top, left
        (B,) int64 in 0…2·pad, the crop's corner in the padded image; pad is the middle.
    pad
        Pixels of black on each side.

    Returns
    -------
    Tensor
        (B, H, W, 3) uint8, new memory.
    """
    batch, height, width, channels = images.shape
    padded = images.new_zeros(2 * batch, height + 2 * pad, width + 2 * pad, channels)
    padded[:batch, pad : pad + height, pad : pad + width] = images
    padded[batch:, pad : pad + height, pad : pad + width] = images.flip(2)  # the mirrored ones
    # A cropped row is W pixels on end in memory: copying such runs beats choosing single pixels.
    runs = padded.flatten().unfold(0, channels * width, channels)  # a view: the run at each pixel
    source = torch.arange(batch, device=images.device) + batch * flip
    first = source * (height + 2 * pad) + top
    rows = first[:, None] + torch.arange(height, device=images.device)  # (B, H)
    starts = rows * (width + 2 * pad) + left[:, None]  # (B, H), in pixels
    return runs.index_select(0, starts.flatten()).view(images.shape)


def draw_boxes(batch: int, height: int, width: int, *, generator: torch.Generator) -> Tensor:
    """Return one box per image to erase: 2–40 % of the area, height / width in 0.3–3.33.

    Area and aspect are uniform, sides rounded to pixels. Zhong et al. draw until a box fits into
    the image; here ten boxes are drawn at once and the first that fits is taken. If none does, the
    box is empty and the image stays whole (for 384 × 128 less than one image in a billion).

    Parameters
    ----------
    batch, height, width
        Number of images and their size in pixels.
    generator
        The source of all randomness.

    Returns
    -------
    Tensor
        (B, 4) int64: top, left, height, width in pixels, on the generator's device.
    """
    area, aspect = _uniform((2, batch, ERASE_ATTEMPTS), generator)
    area = (ERASE_AREA[0] + area * (ERASE_AREA[1] - ERASE_AREA[0])) * (height * width)
    aspect = ERASE_ASPECT[0] + aspect * (ERASE_ASPECT[1] - ERASE_ASPECT[0])
    areas = torch.stack((area * aspect, area / aspect))  # of squares on either side
    # float64, where the last bit of a root, which MKL makes by the processor, does not decide
    sides = areas.sqrt().round()  # (2, B, attempts): heights and widths
    fits = (sides[0] < height) & (sides[1] < width)
    chosen = fits.long().argmax(dim=1, keepdim=True)  # (B, 1), the first; 0 if none
    sides = (sides * fits).gather(2, chosen.expand(2, -1, -1)).squeeze(2)  # (2, B)
    box_height, box_width = sides
    top, left = _uniform((2, batch), generator)
    top = (top * (height - box_height + 1)).floor()
    left = (left * (width - box_width + 1)).floor()
    return torch.stack((top, left, box_height, box_width), dim=1).long()


def erase(images: Tensor, boxes: Tensor, mean: Colour = IMAGENET_MEAN) -> Tensor:
    """Return images with a box each replaced by the mean, rounded to whole levels.

    Parameters
    ----------
    images
        (B, H, W, 3) uint8, on the CPU.
    boxes
        (B, 4) int64: top, left, height, width in pixels; a side of 0 erases nothing.
    mean
        Of the training images of the backbone's weights; it is 0 once images are normalised.

    Returns
    -------
    Tensor
        (B, H, W, 3) uint8, new memory.
    """
    erased = images.clone()
    # Box by box, as rows of bytes: twice as fast as masking all pixels of the batch.
    pixels = erased.numpy()
    fill = np.array([round(255 * level) for level in mean], np.uint8)
    filled = np.broadcast_to(fill, pixels.shape[1:]).copy()  # (H, W, 3)
    for image, (top, left, height, width) in zip(pixels, boxes.tolist(), strict=True):
        image[top : top + height, left : left + width] = filled[:height, :width]
    return erased


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return float64 draws in [0, 1); in float32 a draw times a size could round up to it."""
    return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64)
