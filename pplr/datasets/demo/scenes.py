"""Generated places: what is behind a person, and what stands before them."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from pplr.datasets.demo.people import COLOURS, RGB

NEUTRAL_WALL: RGB = (150, 150, 148)
NEUTRAL_FLOOR: RGB = (120, 118, 114)
WALLS = ("plain", "bricks", "panels", "windows", "hedge")
FLOORS = ("plain", "tiles", "stripes", "grass")
OCCLUDERS = ("pole", "bush", "car", "bin")
SCENE_WIDTH = 4  # a scene is so many images wide; each shot sees one piece of it


def background(
    seed: int, rng: np.random.Generator, strength: float, *, height: int, width: int
) -> Image.Image:
    """Return the piece of the camera's scene that one shot sees.

    Parameters
    ----------
    seed
        Of the scene; each camera has one.
    rng
        Draws where in the scene the shot is.
    strength
        0 is the same grey wall and floor for every camera; 1 the camera's own scene.
    height, width
        Pixels of the image.
    """
    scene = _scene(seed, strength, height, width)
    place = round(rng.uniform(0, scene.width - width) * min(strength, 1.0))
    drop = (scene.height - height) // 2
    drop += round(rng.uniform(-1, 1) * drop * min(strength, 1.0))
    return scene.crop((place, drop, place + width, drop + height))


@lru_cache(maxsize=64)  # a few megabytes; every shot of a camera needs the same scene
def _scene(seed: int, strength: float, height: int, width: int) -> Image.Image:
    """Return the camera's whole scene, wider and a little higher than an image."""
    rng = np.random.default_rng(seed)
    height += 2 * (height // 25)
    size = (width * SCENE_WIDTH, height)
    horizon = round(height * (0.62 + min(strength, 1.0) * rng.uniform(-0.12, 0.16)))
    neutral = _wall_and_floor(size, round(height * 0.62), NEUTRAL_WALL, NEUTRAL_FLOOR)
    wall, floor = (_muted(rng) for _ in range(2))
    scene = _wall_and_floor(size, horizon, wall, floor)
    pen = ImageDraw.Draw(scene, "RGBA")
    _draw_wall(pen, rng, size, horizon, WALLS[int(rng.integers(len(WALLS)))])
    _draw_floor(pen, rng, size, horizon, FLOORS[int(rng.integers(len(FLOORS)))])
    for _ in range(round(9 * strength)):
        _draw_clutter(pen, rng, size, horizon)
    scene = scene.filter(ImageFilter.GaussianBlur(height / 200))
    return Image.blend(neutral, scene, min(strength, 1.0))


def _wall_and_floor(size: tuple[int, int], horizon: int, wall: RGB, floor: RGB) -> Image.Image:
    image = Image.new("RGB", size, wall)
    ImageDraw.Draw(image).rectangle((0, horizon, *size), fill=floor)
    return image


def _muted(rng: np.random.Generator) -> RGB:
    """Return a colour of streets and buildings: somewhat grey, of any lightness."""
    red, green, blue = (int(v) for v in rng.uniform(60, 205) + rng.normal(0, 12, 3))
    return max(red, 0), max(green, 0), max(blue, 0)


def _draw_wall(
    pen: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    size: tuple[int, int],
    horizon: int,
    kind: str,
) -> None:
    width, height = size
    step = max(3, round(height * rng.uniform(0.05, 0.09)))
    dark, light = (0, 0, 0, 50), (255, 255, 255, 60)
    if kind == "bricks":
        for row, y in enumerate(range(0, horizon, step)):
            pen.line((0, y, width, y), fill=dark)
            for x in range(step * (row % 2), width, 2 * step):
                pen.line((x, y, x, y + step), fill=dark)
    elif kind == "panels":
        for i, x in enumerate(range(0, width, 4 * step)):
            pen.rectangle((x, 0, x + 4 * step, horizon), fill=light if i % 2 else dark)
    elif kind == "windows":
        for x in range(0, width, 5 * step):
            for y in range(step, horizon - 3 * step, 6 * step):
                pen.rectangle((x, y, x + 3 * step, y + 4 * step), fill=(40, 60, 80, 170))
                pen.rectangle((x, y, x + 3 * step, y + step), fill=light)
    elif kind == "hedge":
        _draw_leaves(pen, rng, (0, 0, width, horizon), 260, height)


def _draw_floor(
    pen: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    size: tuple[int, int],
    horizon: int,
    kind: str,
) -> None:
    width, height = size
    if kind == "tiles":
        for y in np.geomspace(1, height - horizon + 1, 7):
            pen.line((0, horizon + int(y) - 1, width, horizon + int(y) - 1), fill=(0, 0, 0, 60))
        for x in range(0, width, max(4, height // 7)):
            pen.line((x, horizon, x - height // 8, height), fill=(0, 0, 0, 60))
    elif kind == "stripes":
        for x in range(0, width, max(8, height // 3)):
            a, b = x - height // 8, x + height // 12
            pen.polygon(
                [(x, horizon), (b, horizon), (b - height // 8, height), (a, height)],
                (235, 235, 225, 150),
            )
    elif kind == "grass":
        _draw_leaves(pen, rng, (0, horizon, width, height), 200, height)


def _draw_leaves(
    pen: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    box: tuple[int, int, int, int],
    count: int,
    height: int,
) -> None:
    left, top, right, bottom = box
    for x, y, r, shade in rng.uniform((left, top, 0.01, 0.4), (right, bottom, 0.04, 1), (count, 4)):
        r *= height
        fill = (int(70 * shade), int(125 * shade), int(52 * shade), 200)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=fill)


def _draw_clutter(
    pen: ImageDraw.ImageDraw, rng: np.random.Generator, size: tuple[int, int], horizon: int
) -> None:
    """Draw one thing standing in the scene: a post, a door, a sign, a parked car."""
    width, height = size
    x = rng.uniform(0, width)
    w, h = rng.uniform((0.03, 0.12), (0.16, 0.5)) * height
    rgb = (*COLOURS[list(COLOURS)[int(rng.integers(len(COLOURS)))]], 235)
    kind = int(rng.integers(4))
    ground = horizon + rng.uniform(0, 0.06) * height
    if kind == 0:
        pen.rectangle((x, 0, x + w / 4, ground), fill=rgb)
    elif kind == 1:
        pen.rectangle((x, ground - h, x + w * 1.5, ground), fill=rgb)
    elif kind == 2:
        y = rng.uniform(0, 0.4) * height
        pen.ellipse((x, y, x + w, y + w), fill=rgb)
    else:
        _draw_car(pen, x, ground, h, rgb)


def _draw_car(
    pen: ImageDraw.ImageDraw, x: float, ground: float, size: float, rgb: tuple[int, ...]
) -> None:
    """Draw a car from its side: `size` is its height, `x` its left end."""
    pen.rounded_rectangle(
        (x + 0.5 * size, ground - size, x + 1.7 * size, ground - 0.4 * size), 0.2 * size, fill=rgb
    )
    pen.rectangle(
        (x + 0.65 * size, ground - 0.9 * size, x + 1.55 * size, ground - 0.6 * size),
        fill=(60, 76, 90),
    )
    pen.rounded_rectangle(
        (x, ground - 0.62 * size, x + 2.3 * size, ground - 0.1 * size), 0.15 * size, fill=rgb
    )
    for wheel in (0.5, 1.8):
        at = x + wheel * size
        pen.ellipse(
            (at - 0.18 * size, ground - 0.32 * size, at + 0.18 * size, ground + 0.04 * size),
            fill=(24, 24, 26),
        )


def occlude(image: Image.Image, rng: np.random.Generator, kind: str) -> None:
    """Draw an object in front of the person, in place.

    Parameters
    ----------
    image
        RGB.
    rng
        Draws size, place and colour.
    kind
        One of `OCCLUDERS`.
    """
    width, height = image.size
    pen = ImageDraw.Draw(image, "RGBA")
    rgb = COLOURS[list(COLOURS)[int(rng.integers(len(COLOURS)))]]
    x, tall = rng.uniform(0.1, 0.9) * width, rng.uniform(0.2, 0.42) * height
    if kind == "pole":
        w = 0.09 * width
        pen.rectangle((x - w, 0, x + w, height), fill=rgb)
        pen.rectangle((x, 0, x + w, height), fill=(0, 0, 0, 50))
    elif kind == "bush":
        box = (round(x - 0.4 * width), round(height - tall), round(x + 0.4 * width), height)
        _draw_leaves(pen, rng, box, 120, height)
    elif kind == "car":
        _draw_car(pen, x - 1.2 * tall, height * 0.98, tall, rgb)
    else:
        w = 0.22 * width
        pen.rectangle((x - w, height - tall, x + w, height), fill=rgb)
        pen.rectangle((x - w, height - tall, x + w, height - 0.9 * tall), fill=(0, 0, 0, 80))
        pen.rectangle((x + 0.4 * w, height - tall, x + w, height), fill=(0, 0, 0, 50))
