"""Generated cameras: how each sees colours, and the light and blur of one shot."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter


@dataclass(frozen=True)
class Camera:
    """One camera: how it differs from a neutral one, and the number its scene is drawn from.

    Parameters
    ----------
    gain
        Logarithm of the factor on red, green and blue, at strength 1.
    offset
        Added to red, green and blue, in 0…1, at strength 1.
    saturation
        Logarithm of the factor on the difference from grey, at strength 1.
    softness
        Standard deviation of its blur in hundredths of the image height, at strength 1.
    tilt
        How much more than usual it looks down, as a slope, at strength 1.
    scene
        Seed of its background.
    """

    gain: tuple[float, float, float]
    offset: tuple[float, float, float]
    saturation: float
    softness: float
    tilt: float
    scene: int


def random_camera(rng: np.random.Generator) -> Camera:
    """Return a camera drawn from `rng` alone."""
    exposure = rng.normal(0, 0.18)
    gain = rng.normal(0, 0.1, 3) + exposure
    offset = rng.normal(0, 0.02, 3)
    return Camera(
        gain=(float(gain[0]), float(gain[1]), float(gain[2])),
        offset=(float(offset[0]), float(offset[1]), float(offset[2])),
        saturation=float(rng.uniform(-0.3, 0.05)),
        softness=float(rng.uniform(0.1, 0.8)),
        tilt=float(rng.uniform(-0.06, 0.12)),
        scene=int(rng.integers(2**31)),
    )


def develop(pixels: NDArray[np.float32], camera: Camera, strength: float) -> NDArray[np.float32]:
    """Return (H, W, 3) float32 pixels in 0…1 with the camera's colours.

    Parameters
    ----------
    pixels
        (H, W, 3) float32, 0…1.
    camera
        Whose colours.
    strength
        0 changes nothing.
    """
    grey = pixels.mean(axis=2, keepdims=True)
    coloured = grey + (pixels - grey) * np.float32(np.exp(strength * camera.saturation))
    gain = np.exp(strength * np.array(camera.gain)).astype(np.float32)
    offset = np.array(camera.offset, np.float32) * np.float32(strength)
    developed: NDArray[np.float32] = coloured * gain + offset
    return developed


def illuminate(
    pixels: NDArray[np.float32], rng: np.random.Generator, strength: float, lit_from: int
) -> NDArray[np.float32]:
    """Return (H, W, 3) float32 pixels in 0…1 under the light of one shot.

    Parameters
    ----------
    pixels
        (H, W, 3) float32, 0…1.
    rng
        Draws brightness, gamma, the fall of light across the image and a cast shadow.
    strength
        0 changes nothing.
    lit_from
        -1 for light from the left, +1 from the right.
    """
    H, W, _ = pixels.shape
    brightness, contrast, across, down = rng.normal(0, (0.13, 0.15, 0.12, 0.1))
    shadowed, edge, slope, depth = rng.uniform((0, 0.1, -1, 0.25), (1, 0.9, 1, 0.5))
    x = np.linspace(-1, 1, W, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, H, dtype=np.float32)[:, None]
    light = np.exp(strength * (brightness + lit_from * abs(across) * x + down * y))
    if shadowed < 0.3 * strength:  # the shade of a roof or a tree over one end of the image
        light = light * (1 - strength * depth * (y + 0.5 * slope * x < 2 * edge - 1))
    gamma = np.float32(np.exp(strength * contrast))
    lit: NDArray[np.float32] = np.clip(pixels, 0, 1) ** gamma * light[..., None].astype(np.float32)
    return lit


def soften(
    image: Image.Image, camera: Camera, rng: np.random.Generator, strength: float
) -> Image.Image:
    """Return the image blurred by the camera's lens and by the motion of one shot.

    Parameters
    ----------
    image
        RGB.
    camera
        Whose lens.
    rng
        Draws the blur of the shot.
    strength
        0 changes nothing.
    """
    radius = strength * (camera.softness + abs(rng.normal(0, 0.35))) * image.height / 100
    return image.filter(ImageFilter.GaussianBlur(radius)) if radius > 0 else image
