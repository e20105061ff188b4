"""The images of the embedded data set: generated people before generated cameras."""

from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pplr.datasets.demo.bodies import draw_body
from pplr.datasets.demo.cameras import Camera, develop, illuminate, random_camera, soften
from pplr.datasets.demo.people import Person, look_alike, random_person
from pplr.datasets.demo.scenes import OCCLUDERS, background, occlude
from pplr.datasets.demo.sketch import Pose
from pplr.settings.groups import DemoSettings

SUPERSAMPLING = 3

# One stream of random numbers for each thing that varies, so that the strength of one never
# changes another.
PEOPLE, TWINS, CAMERAS, VISITS, FRAMES = range(5)
POSE, VIEW, BOX, SCENE, OCCLUDER, LIGHT, BLUR = range(10, 17)


@dataclass(frozen=True)
class Shot:
    """One image to draw: `who` numbers people and strangers, `number` the shots of each of them."""

    who: int
    camid: int
    number: int


def demo_person(settings: DemoSettings, who: int) -> Person:
    """Return person number `who`: 1…2·demo_people, and strangers above.

    Of the train people and of the test people, the first ones come as pairs of look-alikes.
    """
    place = (who - 1) % settings.demo_people  # among the train or the test people
    paired = 2 * round(settings.demo_lookalikes * settings.demo_people / 2)
    if who <= 2 * settings.demo_people and place % 2 and place < paired:
        first = random_person(random_stream(settings, PEOPLE, who - 1))
        return look_alike(first, random_stream(settings, TWINS, who))
    return random_person(random_stream(settings, PEOPLE, who))


def draw_shot(settings: DemoSettings, shot: Shot, *, height: int, width: int) -> Image.Image:
    """Return one image, a pure function of its arguments.

    Parameters
    ----------
    settings
        Strengths and seed.
    shot
        Who, where, and which of that person's shots.
    height, width
        Pixels.
    """

    def random(stream: int) -> np.random.Generator:
        return random_stream(settings, stream, shot.who, shot.number)

    camera = random_camera(random_stream(settings, CAMERAS, shot.camid))
    light = random(LIGHT)
    lit_from = 1 if light.random() < 0.5 * settings.demo_light else -1
    scene = background(
        camera.scene, random(SCENE), settings.demo_backgrounds, height=height, width=width
    )
    size = (width * SUPERSAMPLING, height * SUPERSAMPLING)
    canvas = scene.resize(size, Image.Resampling.BILINEAR)
    _draw_person(canvas, settings, shot, camera, lit_from)
    _draw_occluder(canvas, settings, random(OCCLUDER))
    image = soften(
        canvas.resize((width, height), Image.Resampling.BOX),
        camera,
        random(BLUR),
        settings.demo_blur,
    )
    pixels: NDArray[np.float32] = np.asarray(image, dtype=np.float32) / np.float32(255)  # (H, W, 3)
    pixels = illuminate(pixels, light, settings.demo_light, lit_from)
    pixels = develop(pixels, camera, settings.demo_camera)
    return Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))


def _draw_person(
    canvas: Image.Image, settings: DemoSettings, shot: Shot, camera: Camera, lit_from: int
) -> None:
    rng = random_stream(settings, POSE, shot.who, shot.number)
    phase, swing, stoop, size = rng.uniform((0, 0.5, -0.1, -0.08), (2 * pi, 1, 0.25, 0.08))
    turned, direction, jitter = random_stream(settings, VIEW, shot.who, shot.number).random(3)
    quarter = int(4 * direction) if turned < settings.demo_views else 0
    pose = Pose(
        yaw=quarter * pi / 2 + settings.demo_views * (jitter - 0.5),
        phase=phase,
        swing=0.55 * settings.demo_pose * swing,
        stoop=settings.demo_pose * stoop,
        tilt=0.1 + settings.demo_camera * camera.tilt,
        lit_from=lit_from,
    )
    # the detector's box decides where in the image the body lies and how large it is
    across, up, zoom, bad, cut = random_stream(settings, BOX, shot.who, shot.number).uniform(
        (-1, -1, -1, 0, -1), 1
    )
    zoom = 1 + settings.demo_boxes * 0.06 * zoom
    drop = 0.03 * settings.demo_boxes * up
    if bad < 0.3 * settings.demo_boxes:
        zoom *= 1 + 0.25 * abs(cut)
        drop += 0.22 * cut if cut > 0 else 0.04 * cut
    height = zoom * (1 + settings.demo_pose * size) * 0.88 * canvas.height
    feet = (
        canvas.width * (0.5 + 0.12 * settings.demo_boxes * across),
        canvas.height * (0.95 + drop),
    )
    draw_body(canvas, demo_person(settings, shot.who), pose, feet=feet, size=height)


def _draw_occluder(canvas: Image.Image, settings: DemoSettings, rng: np.random.Generator) -> None:
    if rng.random() >= 0.35 * settings.demo_occluders:
        return
    kind = int(rng.integers(len(OCCLUDERS) + 1))
    if kind < len(OCCLUDERS):
        occlude(canvas, rng, OCCLUDERS[kind])
        return
    side = 1 if rng.random() < 0.5 else -1  # a passer-by, half inside the image
    pose = Pose(yaw=rng.uniform(0, 2 * pi), phase=rng.uniform(0, 2 * pi), swing=0.4)
    feet = (canvas.width * (0.5 + side * rng.uniform(0.35, 0.5)), canvas.height * 1.03)
    draw_body(canvas, random_person(rng), pose, feet=feet, size=0.95 * canvas.height)


def random_stream(settings: DemoSettings, *stream: int) -> np.random.Generator:
    """Return the random numbers of one thing that varies, by the data set's seed."""
    return np.random.default_rng([settings.demo_seed, *stream])
