"""The embedded data set, in Market-1501's protocol."""

from functools import partial

import numpy as np
from PIL import Image

from pplr.datasets.demo.drawing import FRAMES, VISITS, Shot, draw_shot, random_stream
from pplr.datasets.image_table import ImageTable
from pplr.settings.groups import DemoSettings
from pplr.storage.layout import SPLITS


def read_demo(settings: DemoSettings, *, height: int, width: int) -> dict[str, ImageTable]:
    """Return the tables `train`, `query` and `gallery`; nothing is drawn until an image is opened.

    Train people have pids 1…people, test people the next ones, distractors pid 0. Each test person
    has one query in each camera that has seen them; all their other images are in the gallery.

    Parameters
    ----------
    settings
        Counts and strengths.
    height, width
        Pixels of the images.
    """
    people = settings.demo_people
    shots = {pid: _shots(settings, pid) for pid in range(1, 2 * people + 1)}
    train = [(pid, shot) for pid in range(1, people + 1) for shot in shots[pid]]
    query: list[tuple[int, Shot]] = []
    gallery: list[tuple[int, Shot]] = []
    for pid in range(people + 1, 2 * people + 1):
        seen: set[int] = set()
        for shot in shots[pid]:
            (gallery if shot.camid in seen else query).append((pid, shot))
            seen.add(shot.camid)
    for i in range(settings.demo_distractors):
        gallery.append((0, Shot(2 * people + 1 + i, i % settings.demo_cameras, 0)))
    splits = {"train": train, "query": query, "gallery": gallery}
    return {
        split: _table(settings, split, rows, height=height, width=width)
        for split, rows in splits.items()
    }


def _shots(settings: DemoSettings, who: int) -> list[Shot]:
    """Return a person's shots: at least two in each camera that sees them, two cameras or more."""
    order = random_stream(settings, VISITS, who).permutation(settings.demo_cameras)
    seen_by = min(settings.demo_cameras, settings.demo_images // 2)
    return [Shot(who, int(order[i % seen_by]), i) for i in range(settings.demo_images)]


def _table(
    settings: DemoSettings,
    split: str,
    rows: list[tuple[int, Shot]],
    *,
    height: int,
    width: int,
) -> ImageTable:
    """Name the images as Market-1501 does, frames in random order, and sort them by name."""
    frames = random_stream(settings, FRAMES, SPLITS.index(split)).permutation(len(rows))
    named = sorted(
        (f"{split}/{pid:04d}_c{shot.camid + 1}s1_{frame:06d}_00.jpg", pid, shot)
        for (pid, shot), frame in zip(rows, frames, strict=True)
    )
    shots = [shot for _, _, shot in named]
    return ImageTable(
        paths=tuple(path for path, _, _ in named),
        pids=np.array([pid for _, pid, _ in named], dtype=np.int32),
        camids=np.array([shot.camid for shot in shots], dtype=np.int32),
        open_image=partial(_open, settings, shots, (height, width)),
        distractor=0,
    )


def _open(
    settings: DemoSettings, shots: list[Shot], size: tuple[int, int], row: int
) -> Image.Image:
    return draw_shot(settings, shots[row], height=size[0], width=size[1])
