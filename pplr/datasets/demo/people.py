"""Generated people: what each of them wears and carries."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

RGB = tuple[int, int, int]

COLOURS: dict[str, RGB] = {
    "black": (34, 34, 38),
    "grey": (122, 124, 128),
    "white": (226, 226, 222),
    "navy": (36, 48, 92),
    "blue": (56, 104, 190),
    "sky": (134, 180, 218),
    "teal": (34, 128, 128),
    "green": (58, 130, 62),
    "olive": (98, 100, 52),
    "yellow": (222, 192, 62),
    "orange": (218, 120, 44),
    "red": (186, 42, 44),
    "wine": (104, 30, 50),
    "pink": (218, 138, 168),
    "purple": (112, 66, 142),
    "brown": (108, 72, 46),
    "beige": (198, 174, 136),
}
SKIN_TONES: tuple[RGB, ...] = (
    (238, 198, 170),
    (222, 174, 138),
    (188, 136, 100),
    (136, 92, 66),
    (92, 62, 46),
)
HAIR_COLOURS: dict[str, RGB] = {
    "black": (28, 24, 24),
    "brown": (84, 54, 34),
    "blond": (200, 164, 98),
    "red": (150, 70, 36),
    "grey": (164, 162, 160),
}
HAIR_STYLES = ("short", "long", "ponytail", "bun", "bald")
PATTERNS = ("plain", "stripes", "vertical", "checks", "block", "logo")

# How often each colour is worn, in the order of COLOURS: streets are dark and grey.
COLOUR_ODDS = (7, 4, 4, 4, 3, 1.5, 1, 1.5, 1.5, 1, 1, 2, 1, 1, 1, 2, 2)

# What can be worn in each place, with how often it is worn.
KINDS: dict[str, dict[str, float]] = {
    "upper": {"t-shirt": 3, "shirt": 3, "jacket": 3, "coat": 2, "hoodie": 2, "top": 1},
    "lower": {"trousers": 4, "wide": 1, "shorts": 3, "skirt": 2, "long skirt": 1},
    "shoes": {"shoes": 3, "boots": 1},
    "bag": {"none": 4, "backpack": 3, "shoulder bag": 2, "handbag": 1},
    "hat": {"none": 8, "cap": 2, "beanie": 1, "brim": 1},
}
PATTERN_ODDS: dict[str, tuple[float, ...]] = {
    "upper": (7, 2, 1, 1, 2, 2),
    "lower": (8, 0, 1, 1, 0, 0),
}
TINT = 12  # standard deviation of one garment's colour around its name's, in 0…255


@dataclass(frozen=True)
class Garment:
    """One thing worn or carried: its kind, two named colours with their tints, and its pattern."""

    kind: str
    colour: str
    rgb: RGB
    pattern: str = "plain"
    trim: RGB = (226, 226, 222)


@dataclass(frozen=True)
class Body:
    """What stays when the clothes change; sizes are factors around 1."""

    height: float
    width: float
    skin: RGB
    hair: str
    hair_colour: str


@dataclass(frozen=True)
class Person:
    """A body and five garments; `bag_side` is +1 for the person's left hand, -1 for the right."""

    body: Body
    upper: Garment
    lower: Garment
    shoes: Garment
    bag: Garment
    hat: Garment
    bag_side: int


GARMENTS = tuple(field.name for field in fields(Person) if field.name in KINDS)


def random_person(rng: np.random.Generator) -> Person:
    """Return a person whose body and garments are drawn independently.

    Parameters
    ----------
    rng
        The only source of the person: the same state gives the same person.
    """
    body = Body(
        height=float(rng.uniform(0.92, 1.04)),
        width=float(rng.uniform(0.82, 1.14)),
        skin=SKIN_TONES[int(rng.integers(len(SKIN_TONES)))],
        hair=_choose(rng, dict(zip(HAIR_STYLES, (5, 3, 2, 1, 1), strict=True))),
        hair_colour=_choose(rng, dict(zip(HAIR_COLOURS, (4, 4, 2, 1, 1), strict=True))),
    )
    upper, lower, shoes, bag, hat = (_random_garment(place, rng) for place in KINDS)
    return Person(body, upper, lower, shoes, bag, hat, bag_side=1 - 2 * int(rng.integers(2)))


def look_alike(person: Person, rng: np.random.Generator) -> Person:
    """Return another person who shares everything with `person` but one garment.

    Parameters
    ----------
    person
        The one to resemble.
    rng
        Chooses the garment that differs, of another kind or colour.
    """
    place = GARMENTS[int(rng.integers(len(GARMENTS)))]
    worn: Garment = getattr(person, place)
    while True:
        other = _random_garment(place, rng)
        differs = other.kind != worn.kind if "none" in (other.kind, worn.kind) else True
        if differs and (other.kind, other.colour) != (worn.kind, worn.colour):
            worn_by = {name: getattr(person, name) for name in GARMENTS} | {place: other}
            return Person(person.body, **worn_by, bag_side=person.bag_side)


def _random_garment(place: str, rng: np.random.Generator) -> Garment:
    kind = _choose(rng, KINDS[place])
    odds = np.array(COLOUR_ODDS) / sum(COLOUR_ODDS)
    colour, trim = (str(c) for c in rng.choice(list(COLOURS), size=2, replace=False, p=odds))
    tint = rng.normal(0, TINT, size=(2, 3))
    worn = PATTERN_ODDS.get(place)
    pattern = _choose(rng, dict(zip(PATTERNS, worn, strict=True))) if worn else "plain"
    return Garment(kind, colour, _tinted(colour, tint[0]), pattern, _tinted(trim, tint[1]))


def _tinted(name: str, tint: NDArray[np.float64]) -> RGB:
    red, green, blue = (int(v) for v in np.clip(np.add(COLOURS[name], tint), 12, 245))
    return red, green, blue


def _choose(rng: np.random.Generator, odds: dict[str, float]) -> str:
    weights = np.array(list(odds.values()), dtype=np.float64)
    return list(odds)[int(rng.choice(len(weights), p=weights / weights.sum()))]
