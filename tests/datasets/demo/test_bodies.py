"""What a person is, and what drawing one shows."""

from dataclasses import replace
from math import pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pplr.datasets.demo.bodies import draw_body
from pplr.datasets.demo.people import (
    COLOURS,
    GARMENTS,
    KINDS,
    PATTERNS,
    Body,
    Garment,
    Person,
    look_alike,
    random_person,
)
from pplr.datasets.demo.sketch import Pose

GREY = (150, 150, 150)
PLAIN = Person(
    body=Body(height=1.0, width=1.0, skin=(222, 174, 138), hair="short", hair_colour="black"),
    upper=Garment("shirt", "red", (186, 42, 44)),
    lower=Garment("trousers", "blue", (56, 104, 190)),
    shoes=Garment("shoes", "white", (226, 226, 222)),
    bag=Garment("none", "black", (34, 34, 38)),
    hat=Garment("none", "black", (34, 34, 38)),
    bag_side=1,
)


def drawn(person: Person, pose: Pose) -> np.ndarray:
    image = Image.new("RGB", (192, 384), GREY)
    draw_body(image, person, pose, feet=(96, 365), size=340)
    return np.asarray(image).astype(int)


def reddish(pixels: np.ndarray) -> np.ndarray:
    return (pixels[..., 0] > 100) & (pixels[..., 1:].max(axis=2) < 80)


def greenish(pixels: np.ndarray) -> np.ndarray:
    return (pixels[..., 1] > 90) & (pixels[..., ::2].max(axis=2) < 60)


def test_a_standing_body_fills_its_height_and_wears_its_colours_in_place():
    pixels = drawn(PLAIN, Pose())
    rows = np.flatnonzero((pixels != GREY).any(axis=(1, 2)))
    assert 20 <= rows[0] <= 35  # 365 - 340 and a little
    assert 360 <= rows[-1] <= 383  # the shadow on the ground
    assert reddish(pixels[110:190, 70:122]).mean() > 0.7  # the chest
    legs = pixels[240:330][(pixels[240:330] != GREY).any(axis=2)]
    assert (legs[:, 2] > legs[:, 0]).mean() > 0.9  # blue trousers


@given(st.integers(0, 2**32 - 1), st.floats(0, 2 * pi), st.floats(0, 2 * pi))
@settings(max_examples=40, deadline=None)
def test_every_person_can_be_drawn_from_every_side_and_twice_the_same(seed, yaw, phase):
    person = random_person(np.random.default_rng(seed))
    pose = Pose(yaw=yaw, phase=phase, swing=0.5, stoop=0.1)
    first = drawn(person, pose)
    np.testing.assert_array_equal(first, drawn(person, pose))
    assert (first != GREY).any(axis=2).mean() > 0.1


def test_face_shows_in_front_and_hair_behind():
    front, back = (drawn(PLAIN, Pose(yaw=yaw))[35:70, 80:112] for yaw in (0, pi))
    assert (front[..., 0] > 150).mean() > 0.3  # skin
    assert (back[..., 0] < 60).mean() > 0.6  # black hair


def test_backpack_shows_behind_and_a_logo_in_front_only():
    pack = replace(PLAIN, bag=Garment("backpack", "green", (0, 200, 0)))
    logo = replace(PLAIN, upper=replace(PLAIN.upper, pattern="logo", trim=(0, 200, 0)))

    def green(person, yaw):
        return int(greenish(drawn(person, Pose(yaw=yaw))).sum())

    assert green(pack, pi) > 3 * green(pack, 0) > 0  # from the front straps
    assert green(logo, 0) > 300
    assert green(logo, pi) == 0


def test_a_shoulder_bag_hangs_at_one_side():
    for side in (-1, 1):
        bag = Garment("shoulder bag", "green", (0, 200, 0))
        green = greenish(drawn(replace(PLAIN, bag=bag, bag_side=side), Pose())[180:240])
        assert np.sign(np.nonzero(green)[1].mean() - 96) == side


def test_swinging_legs_are_wider_from_the_side_than_standing_ones():
    def width(swing):
        pixels = drawn(PLAIN, Pose(yaw=pi / 2, phase=pi / 2, swing=swing))[300:345]
        return int((pixels != GREY).any(axis=(0, 2)).sum())

    assert width(0.5) > width(0.0) + 60


@pytest.mark.parametrize("pattern", PATTERNS[1:5])
def test_every_pattern_shows_the_second_colour(pattern):
    upper = replace(PLAIN.upper, pattern=pattern, trim=(0, 200, 0))
    assert greenish(drawn(replace(PLAIN, upper=upper), Pose())).sum() > 500


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_look_alikes_share_all_but_one_garment(seed):
    rng = np.random.default_rng(seed)
    person = random_person(rng)
    other = look_alike(person, rng)
    assert other.body == person.body
    assert other.bag_side == person.bag_side
    differing = [name for name in GARMENTS if getattr(other, name) != getattr(person, name)]
    assert len(differing) == 1
    mine, theirs = getattr(person, differing[0]), getattr(other, differing[0])
    assert (mine.kind, mine.colour) != (theirs.kind, theirs.colour)
    assert not mine.kind == theirs.kind == "none"
    assert not np.array_equal(drawn(person, Pose(yaw=pi)), drawn(other, Pose(yaw=pi)))


def test_people_are_drawn_from_every_kind_and_colour():
    people = [random_person(np.random.default_rng(i)) for i in range(400)]
    for place, kinds in KINDS.items():
        assert {getattr(person, place).kind for person in people} == set(kinds)
    assert {person.upper.colour for person in people} == set(COLOURS)
    assert {person.upper.pattern for person in people} == set(PATTERNS)
