"""An opened image's pixels, as 8-bit RGB."""

from pathlib import Path

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, TiffImageFile

from pplr.datasets.image_checks import unknown_range

WHITE_IS_ZERO = 0  # TIFF's photometric interpretation of a negative


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return an image of a size (width, height), as every image comes to a model."""
    return image if image.size == size else image.resize(size, Image.Resampling.BICUBIC)


def to_rgb(image: Image.Image, path: Path) -> Image.Image:
    """Return an image in opaque 8-bit RGB, as it looks on a white page.

    - Grey of 16 bits is scaled by its whole range, 0…65535 to 0…255, rounded (12 bits in a TIFF:
      0…4095), not by the values that happen to be there, so that images stay comparable.
    - Colours of 16 bits lose their lower 8, as Pillow reads them.
    - Numbers of 32 bits, signed ones and floating-point ones are refused: their format does not
      say which is white, and a guess would turn a data set black or white without a word.
    - What is transparent is laid on white, so that two images that look alike are alike, whatever
      colour is hidden in them.
    - Palettes, CMYK, YCbCr, LAB and HSV are Pillow's conversion. Colour profiles are not applied.

    Parameters
    ----------
    image
        In any mode.
    path
        Its file, for the error.

    Raises
    ------
    DataError
        The range of the values is not known.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode[0] in "IF":
        return _scaled(image, path).convert("RGB")
    return _on_white(image) if image.has_transparency_data else image.convert("RGB")


def _scaled(image: Image.Image, path: Path) -> Image.Image:
    """Return a grey image of more than 8 bits in 8."""
    white = 2**16 - 1
    negative = False
    if isinstance(image, TiffImageFile):
        white = 2 ** image.tag_v2[BITSPERSAMPLE][0] - 1
        negative = image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == WHITE_IS_ZERO
    # Pillow gives PGM's 16 bits as I, scaled to all of them
    if not image.mode.startswith("I;16") and not (image.mode == "I" and image.format == "PPM"):
        raise unknown_range(path, image.mode)
    values = np.asarray(image, np.uint32)  # (H,W)
    if negative:
        values = white - values
    return Image.fromarray(((values * 255 + white // 2) // white).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    """Return an image with transparent pixels on white."""
    if image.mode == "La":
        image = image.convert("LA")  # Pillow knows no other way from it
    rgba = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(rgba, mask=rgba)
    return white
