"""Strokes on the surface of a body that stands in space and is seen from any side.

Lengths are in body heights: x to the viewer's right when the person faces the camera, y the way the
person walks, z up from the ground.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import cos, hypot, sin

from PIL import Image, ImageDraw

from pplr.datasets.demo.people import RGB, Garment

Point = tuple[float, float, float]
Level = tuple[float, float, float]  # height, half width, half depth of a cross-section


@dataclass(frozen=True)
class Pose:
    """How a person is seen.

    Parameters
    ----------
    yaw
        Radians; 0 faces the camera, π/2 walks to the right, π shows the back.
    phase
        Radians of the step.
    swing
        Largest angle of a thigh, in radians; 0 stands still.
    stoop
        Forward lean of the upper body, as a slope.
    tilt
        How much a point nearer to the camera is seen lower, as a slope.
    lit_from
        -1 for light from the left, +1 from the right.
    """

    yaw: float = 0.0
    phase: float = 0.0
    swing: float = 0.0
    stoop: float = 0.0
    tilt: float = 0.1
    lit_from: int = -1


class Sketch:
    """A pen that draws on an image what lies on one body.

    Parameters
    ----------
    image
        RGB, drawn on in place.
    pose
        How the body is seen.
    feet
        Pixel (x, y) of the ground between the feet.
    scale
        Pixels of a body height.
    wide
        Factor on the body's width.
    """

    def __init__(
        self,
        image: Image.Image,
        pose: Pose,
        *,
        feet: tuple[float, float],
        scale: float,
        wide: float,
    ):
        self.pen = ImageDraw.Draw(image, "RGBA")  # on RGB, so that colours with alpha blend
        self.pose = pose
        self.feet = feet
        self.scale = scale
        self.wide = wide
        self.sin = sin(pose.yaw)
        self.cos = cos(pose.yaw)

    def seen(self, point: Point) -> tuple[float, float]:
        """Return the pixel where a point of the body is seen."""
        x, y, z = point
        y += self.pose.stoop * max(0.0, z - 0.48)
        across = x * self.cos + y * self.sin
        nearer = y * self.cos - x * self.sin
        return (
            self.feet[0] + across * self.scale,
            self.feet[1] - (z - self.pose.tilt * nearer) * self.scale,
        )

    def limb(self, a: Point, b: Point, widths: tuple[float, float], rgb: RGB) -> None:
        """Draw a tapered, shaded cylinder with round ends."""
        (ax, ay), (bx, by) = self.seen(a), self.seen(b)
        ra, rb = widths[0] * self.scale, widths[1] * self.scale
        self.disc(ax, ay, ra, ra, rgb)
        self.disc(bx, by, rb, rb, rgb)
        length = hypot(bx - ax, by - ay)
        if length < 1:
            return
        # (nx, ny) points across the limb, to the right where it hangs down
        nx, ny = (by - ay) / length, -(bx - ax) / length
        lit = self.pose.lit_from

        def strip(u0: float, u1: float, fill: Sequence[int]) -> None:
            self.pen.polygon(
                [
                    (ax + nx * ra * u0, ay + ny * ra * u0),
                    (bx + nx * rb * u0, by + ny * rb * u0),
                    (bx + nx * rb * u1, by + ny * rb * u1),
                    (ax + nx * ra * u1, ay + ny * ra * u1),
                ],
                fill=tuple(fill),
            )

        strip(-1, 1, rgb)
        strip(-lit * 1.0, -lit * 0.15, (0, 0, 0, 46))
        strip(-lit * 1.0, -lit * 0.6, (0, 0, 0, 40))
        strip(lit * 0.3, lit * 0.75, (255, 255, 255, 26))

    def disc(self, x: float, y: float, rx: float, ry: float, fill: Sequence[int]) -> None:
        """Fill an ellipse given in pixels."""
        self.pen.ellipse((x - rx, y - ry, x + rx, y + ry), fill=tuple(fill))

    def band(
        self,
        levels: Sequence[Level],
        top: float,
        bottom: float,
        fill: Sequence[int],
        across: tuple[float, float] = (-1.0, 1.0),
    ) -> None:
        """Fill part of a tube: between two heights, and between two places from -1 to 1 across."""
        heights = [top, *(z for z, _, _ in levels if bottom < z < top), bottom]
        left, right = [], []
        for z in heights:
            half = self.half_width(levels, z) * self.scale
            x, y = self.seen((0.0, 0.0, z))
            left.append((x + half * across[0], y))
            right.append((x + half * across[1], y))
        self.pen.polygon(left + right[::-1], fill=tuple(fill))

    def half_width(self, levels: Sequence[Level], z: float) -> float:
        """Return half of a tube's width at a height, as seen from this side."""
        for (z1, w1, d1), (z0, w0, d0) in pairwise(levels):
            if z >= z0:
                t = min(1.0, (z1 - z) / (z1 - z0))
                wide = (w1 + t * (w0 - w1)) * self.wide
                return hypot(wide * self.cos, (d1 + t * (d0 - d1)) * self.wide * self.sin)
        _, wide, deep = levels[-1]
        return hypot(wide * self.wide * self.cos, deep * self.wide * self.sin)

    def tube(self, levels: Sequence[Level], garment: Garment) -> None:
        """Draw a garment around the body with its pattern and its shading."""
        top, bottom = levels[0][0], levels[-1][0]
        rgb, trim = garment.rgb, garment.trim
        self.band(levels, top, bottom, rgb)
        if garment.pattern in ("stripes", "checks"):
            step = 0.055
            for i in range(int((top - bottom) / step)):
                if i % 2:
                    self.band(levels, top - i * step, top - (i + 1) * step, trim)
        if garment.pattern in ("vertical", "checks"):
            for u in (-0.75, -0.25, 0.25, 0.75):
                self.band(levels, top, bottom, trim, (u - 0.1, u + 0.1))
        if garment.pattern == "block":
            self.band(levels, top, max(bottom, 0.69), trim)
        lit = self.pose.lit_from
        for edge, alpha in ((0.15, 26), (0.45, 30), (0.75, 44)):
            self.band(levels, top, bottom, (0, 0, 0, alpha), (-lit, -lit * edge))
        self.band(levels, top, bottom, (255, 255, 255, 20), (lit * 0.2, lit * 0.7))

    def box(self, centre: Point, half: tuple[float, float, float], rgb: RGB) -> None:
        """Draw a bag around a point, with half its width, depth and height."""
        x, y = self.seen(centre)
        rx = hypot(half[0] * self.cos, half[1] * self.sin) * self.scale
        ry = half[2] * self.scale
        self.pen.rounded_rectangle((x - rx, y - ry, x + rx, y + ry), radius=rx * 0.35, fill=rgb)
        self.pen.rectangle((x - rx, y - ry * 0.35, x + rx, y - ry * 0.2), fill=(0, 0, 0, 70))
        shade = sorted((x - self.pose.lit_from * rx, x - self.pose.lit_from * rx * 0.4))
        self.pen.rectangle((shade[0], y - ry * 0.8, shade[1], y + ry * 0.8), fill=(0, 0, 0, 45))
