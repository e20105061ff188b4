"""Drawing one person: legs, clothes, bags and head, from far to near."""

from collections.abc import Sequence
from math import cos, sin

from PIL import Image

from pplr.datasets.demo.people import HAIR_COLOURS, Garment, Person
from pplr.datasets.demo.sketch import Level, Point, Pose, Sketch

TORSO: tuple[Level, ...] = (
    (0.835, 0.070, 0.050),
    (0.815, 0.122, 0.062),
    (0.730, 0.116, 0.078),
    (0.600, 0.098, 0.070),
    (0.470, 0.108, 0.080),
)
HEM: dict[str, Level] = {
    "coat": (0.250, 0.132, 0.112),
    "skirt": (0.300, 0.135, 0.120),
    "long skirt": (0.110, 0.140, 0.130),
    "hoodie": (0.440, 0.118, 0.090),
}


def draw_body(
    image: Image.Image, person: Person, pose: Pose, *, feet: tuple[float, float], size: float
) -> None:
    """Draw a person onto an image, in place.

    Parameters
    ----------
    image
        RGB, best a few times larger than it will be shown.
    person
        Who.
    pose
        How.
    feet
        Pixel (x, y) of the ground between the feet.
    size
        Pixels of a body of height 1.
    """
    _Body(image, person, pose, feet, size * person.body.height).draw()


class _Body:
    """One person on one image; every method draws one part of the body."""

    def __init__(
        self,
        image: Image.Image,
        person: Person,
        pose: Pose,
        feet: tuple[float, float],
        scale: float,
    ):
        self.sketch = Sketch(image, pose, feet=feet, scale=scale, wide=person.body.width)
        self.person = person
        self.pose = pose
        self.scale = scale
        self.wide = person.body.width
        self.sin = self.sketch.sin
        self.cos = self.sketch.cos

    def draw(self) -> None:
        """Draw from far to near."""
        far, near = (-1, 1) if self.sin <= 0 else (1, -1)
        arms_behind = [far] if abs(self.sin) > 0.35 else []
        self._shadow()
        if self.cos > 0:
            self._backpack()
        for side in arms_behind:
            self._arm(side)
        self._leg(far)
        self._leg(near)
        self._skirt()
        self._torso()
        if self.cos <= 0:
            self._backpack()
        self._head()
        for side in (far, near):
            if side not in arms_behind:
                self._arm(side)
        self._shoulder_bag()

    def _joints(self, side: int) -> tuple[Point, Point, Point]:
        """Return hip, knee and ankle of one leg."""
        thigh = self.pose.swing * sin(self.pose.phase) * side
        bend = 1.5 * self.pose.swing * max(0.0, cos(self.pose.phase) * side)
        hip = (0.052 * side * self.wide, 0.0, 0.49)
        knee = (hip[0], 0.225 * sin(thigh), 0.49 - 0.225 * cos(thigh))
        shin = thigh - bend
        ankle = (hip[0], knee[1] + 0.225 * sin(shin), knee[2] - 0.225 * cos(shin))
        return hip, knee, ankle

    def _shadow(self) -> None:
        x, y = self.sketch.feet
        self.sketch.disc(x, y, 0.17 * self.scale, 0.03 * self.scale, (0, 0, 0, 70))

    def _leg(self, side: int) -> None:
        hip, knee, ankle = self._joints(side)
        lower, shoes, skin = self.person.lower, self.person.shoes, self.person.body.skin
        wide = self.wide
        bare = lower.kind in ("shorts", "skirt", "long skirt")
        shin_rgb = skin if bare else lower.rgb
        shin = (0.055, 0.062) if lower.kind == "wide" else (0.043, 0.031)
        self.sketch.limb(knee, ankle, (shin[0] * wide, shin[1] * wide), shin_rgb)
        thigh = (0.064 * wide, (0.056 if lower.kind in ("wide", "shorts") else 0.045) * wide)
        self.sketch.limb(hip, knee, thigh, skin if lower.kind == "skirt" else lower.rgb)
        if lower.pattern == "vertical" and not bare:
            self.sketch.limb(hip, knee, (0.016, 0.014), lower.trim)
            self.sketch.limb(knee, ankle, (0.014, 0.012), lower.trim)
        heel = (ankle[0], ankle[1] - 0.012, ankle[2] - 0.02)
        toe = (ankle[0] + 0.012 * side, ankle[1] + 0.075, ankle[2] - 0.026)
        if shoes.kind == "boots":
            middle = tuple((a + b) / 2 for a, b in zip(knee, ankle, strict=True))
            self.sketch.limb(
                (middle[0], middle[1], middle[2]), ankle, (0.042 * wide, 0.037 * wide), shoes.rgb
            )
        self.sketch.limb(heel, toe, (0.034, 0.026), shoes.rgb)

    def _skirt(self) -> None:
        lower = self.person.lower
        waist: tuple[Level, ...] = ((0.56, 0.100, 0.072), (0.47, 0.112, 0.084))
        if lower.kind in HEM:
            z, wide, deep = HEM[lower.kind]
            stride = 0.06 * self.pose.swing * abs(sin(self.pose.phase))
            self.sketch.tube((*waist, (z, wide, deep + stride)), lower)
        else:
            self.sketch.tube((*waist, (0.43, 0.108, 0.084)), lower)

    def _torso(self) -> None:
        upper, skin = self.person.upper, self.person.body.skin
        self.sketch.limb((0, 0, 0.83), (0, 0, 0.88), (0.036, 0.034), skin)
        levels = (*TORSO, HEM[upper.kind]) if upper.kind in HEM else TORSO
        self.sketch.tube(levels, upper)
        if upper.kind == "hoodie":
            x, y = self.sketch.seen((0.0, -0.05, 0.825))
            self.sketch.disc(x, y, 0.075 * self.scale, 0.04 * self.scale, upper.rgb)
            self.sketch.disc(x, y, 0.05 * self.scale, 0.025 * self.scale, (0, 0, 0, 60))
        if self.cos > 0.25:
            self._front(levels)

    def _front(self, levels: Sequence[Level]) -> None:
        """Draw what only the front shows: an open jacket, a neckline, a logo, backpack straps."""
        upper = self.person.upper
        middle = 0.6 * self.sin  # where the breastbone lies across the tube
        half = 0.24 * self.cos
        if upper.kind in ("jacket", "coat"):
            self.sketch.band(
                levels, 0.83, levels[-1][0], upper.trim, (middle - half, middle + half)
            )
        elif upper.kind in ("t-shirt", "top"):
            skin = self.person.body.skin
            self.sketch.band(levels, 0.835, 0.805, skin, (middle - 1.4 * half, middle + 1.4 * half))
        if upper.pattern == "logo":
            self.sketch.band(levels, 0.75, 0.64, upper.trim, (middle - 2 * half, middle + 2 * half))
        if self.person.bag.kind == "backpack":
            for u in (-0.62, 0.46):
                at = u * self.cos + middle
                self.sketch.band(levels, 0.82, 0.60, self.person.bag.rgb, (at, at + 0.17))

    def _arm(self, side: int) -> None:
        upper, skin = self.person.upper, self.person.body.skin
        angle = -0.9 * self.pose.swing * sin(self.pose.phase) * side
        bent = angle + 0.25 + 0.4 * self.pose.swing
        shoulder = (0.112 * side * self.wide, 0.0, 0.79)
        elbow = (shoulder[0] + 0.035 * side, 0.165 * sin(angle), 0.79 - 0.165 * cos(angle))
        hand = (elbow[0], elbow[1] + 0.15 * sin(bent), elbow[2] - 0.15 * cos(bent))
        long_sleeves = upper.kind not in ("t-shirt", "top")
        self.sketch.limb(elbow, hand, (0.032, 0.026), upper.rgb if long_sleeves else skin)
        x, y = self.sketch.seen(hand)
        self.sketch.disc(x, y, 0.026 * self.scale, 0.028 * self.scale, skin)
        sleeve = skin if upper.kind == "top" else upper.rgb
        self.sketch.limb(shoulder, elbow, (0.044 * self.wide, 0.036), sleeve)
        bag = self.person.bag
        if bag.kind == "handbag" and side == self.person.bag_side:
            self.sketch.box((hand[0], hand[1], hand[2] - 0.09), (0.05, 0.075, 0.055), bag.rgb)

    def _backpack(self) -> None:
        if self.person.bag.kind == "backpack":
            self.sketch.box(
                (0.0, -0.115, 0.69), (0.088 * self.wide, 0.058, 0.115), self.person.bag.rgb
            )

    def _shoulder_bag(self) -> None:
        bag, side = self.person.bag, self.person.bag_side
        if bag.kind != "shoulder bag":
            return
        far_side = -side * self.sin < -0.35
        x0, y0 = self.sketch.seen((-0.075 * side * self.wide, 0.0, 0.82))
        x1, y1 = self.sketch.seen((0.115 * side * self.wide, 0.0, 0.55))
        self.sketch.pen.line(
            (x0, y0, x1, y1), fill=bag.rgb, width=max(1, round(0.022 * self.scale))
        )
        if not far_side:
            self.sketch.box((0.145 * side * self.wide, -0.01, 0.48), (0.05, 0.085, 0.07), bag.rgb)

    def _head(self) -> None:
        body, hat = self.person.body, self.person.hat
        x, y = self.sketch.seen((0.0, 0.01, 0.925))
        s = self.scale
        hair = body.skin if body.hair == "bald" else HAIR_COLOURS[body.hair_colour]
        back = -0.055 * self.sin * s  # where the back of the head lies
        if body.hair == "long":
            reach = 0.078 if self.cos > 0.3 else 0.062
            box = (
                x + back * 0.6 - reach * s,
                y - 0.03 * s,
                x + back * 0.6 + reach * s,
                y + 0.15 * s,
            )
            if self.cos > 0.3:  # from the front only what falls beside the face
                box = (box[0], box[1], box[2], y + 0.1 * s)
            self.sketch.pen.rounded_rectangle(box, radius=0.03 * s, fill=hair)
        self.sketch.disc(x, y, 0.062 * s, 0.078 * s, hair)
        if self.cos > -0.45:
            turn = self.sin * 0.022 * s
            wide = (0.040 + 0.012 * max(self.cos, 0.0)) * s
            self.sketch.disc(x + turn, y + 0.018 * s, wide, 0.058 * s, body.skin)
            for eye in (-0.02, 0.02):
                if self.cos > 0.1:
                    at = x + turn * 1.3 + eye * self.cos * s
                    self.sketch.disc(at, y + 0.006 * s, 0.007 * s, 0.007 * s, (30, 24, 24))
        elif body.hair == "short":
            self.sketch.disc(x, y + 0.06 * s, 0.042 * s, 0.024 * s, body.skin)
        if body.hair == "ponytail" and self.cos < 0.5:
            self.sketch.pen.rounded_rectangle(
                (x + 1.3 * back - 0.02 * s, y - 0.02 * s, x + 1.3 * back + 0.02 * s, y + 0.14 * s),
                radius=0.02 * s,
                fill=tuple(int(0.8 * c) for c in hair),
            )
        if body.hair == "bun":
            self.sketch.disc(x + back, y - 0.07 * s, 0.032 * s, 0.032 * s, hair)
        if hat.kind != "none":
            self._hat(x, y, hat)
        lit = self.pose.lit_from
        box = (x - 0.062 * s, y - 0.078 * s, x + 0.062 * s, y + 0.078 * s)
        self.sketch.pen.chord(
            box, 120 if lit > 0 else -60, 240 if lit > 0 else 60, fill=(0, 0, 0, 44)
        )

    def _hat(self, x: float, y: float, hat: Garment) -> None:
        s = self.scale
        box = (x - 0.068 * s, y - 0.088 * s, x + 0.068 * s, y + 0.06 * s)
        self.sketch.pen.chord(box, 180, 360, fill=hat.rgb)
        if hat.kind == "cap":
            self.sketch.disc(x + 0.05 * self.sin * s, y - 0.012 * s, 0.062 * s, 0.014 * s, hat.rgb)
        elif hat.kind == "beanie":
            self.sketch.pen.rectangle((box[0], y - 0.035 * s, box[2], y - 0.008 * s), fill=hat.trim)
        else:
            self.sketch.disc(x, y - 0.015 * s, 0.115 * s, 0.02 * s, hat.rgb)
