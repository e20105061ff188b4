"""Images whose parts are darkened by their cross agreement, as in the paper's Fig. 4."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pplr.figures.tiles import GAP, font

BAR = 34  # width of the colours beside an image, pixels


def darkened(
    picture: NDArray[np.uint8],
    agreement: NDArray[np.floating],
    means: NDArray[np.floating],
    *,
    height: int,
) -> Image.Image:
    """Return an image, the same times the agreement of its parts, and a bar of their means.

    Parameters
    ----------
    picture
        (H,W,3) uint8.
    agreement
        (P,) in [0,1], from the top down: what each part's brightness is multiplied by.
    means
        (P,) in [0,1]: the colours of the bar, jet as in the paper's Fig. 4, and the numbers in it.
    height
        Of the picture that is returned, pixels.
    """
    from matplotlib import colormaps

    original = np.asarray(scaled(picture, height))
    H = len(original)
    edges = np.linspace(0, H, len(agreement) + 1).round().astype(int)
    heights = np.diff(edges)
    masked = original * np.repeat(agreement, heights)[:, None, None]
    colours = 255 * colormaps["jet"](means.astype(float))[:, :3]  # (P,3)
    bar = np.broadcast_to(np.repeat(colours, heights, axis=0)[:, None], (H, BAR, 3))
    gap = np.full((H, GAP // 2, 3), 255)
    whole = np.concatenate((original, gap, masked, gap, bar), axis=1)
    image = Image.fromarray(whole.round().astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for mean, colour, top, bottom in zip(means, colours, edges[:-1], edges[1:], strict=True):
        if bottom - top >= 16:  # room for a number
            ink = "black" if colour @ (0.299, 0.587, 0.114) > 128 else "white"
            place = (image.width - BAR // 2, (top + bottom) // 2)
            draw.text(place, f"{100 * mean:.0f}", ink, font(14), anchor="mm")
    return image


def scaled(picture: NDArray[np.uint8], height: int) -> Image.Image:
    """Return an image (H,W,3) in another height, in its own shape."""
    H, W = picture.shape[:2]
    size = (max(1, round(height * W / H)), height)
    return Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
