"""Curves as SVG, whose colours the page's style decides."""

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

WIDTH, HEIGHT = 420, 220
COLOURS = 6  # in the page's style; a curve more has the first again
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 14, 30  # margins around the axes
_TICKS = 4

Values = Sequence[float | None]


def line_chart(names: Sequence[str], lines: Mapping[str, Values], *, label: str) -> Markup:
    """Return curves over named places, with axes and a legend; empty where nothing is known.

    The axis begins at 0, or below it where a value is.

    Parameters
    ----------
    names
        Of the places from left to right.
    lines
        By name, a value for each place; None is a gap.
    label
        What is shown, for those who do not see it.
    """
    known = {name: values for name, values in lines.items() if any(v is not None for v in values)}
    if not known:
        return Markup()
    ticks = _ticks([v for values in known.values() for v in values if v is not None])
    step = (WIDTH - _LEFT - _RIGHT) / max(1, len(names) - 1)
    scale = (HEIGHT - _TOP - _BOTTOM) / (ticks[-1] - ticks[0])
    xs = [_LEFT + i * step for i in range(len(names))]
    parts = [_axes(names, xs, ticks)]
    for number, values in enumerate(known.values()):
        points = [
            (x, HEIGHT - _BOTTOM - (value - ticks[0]) * scale) if value is not None else None
            for x, value in zip(xs, values, strict=True)
        ]
        parts.append(_line(points, f"line line{number % COLOURS + 1}"))
    legend = Markup("").join(
        Markup('<li class="line{}">{}</li>').format(number % COLOURS + 1, name)
        for number, name in enumerate(known)
    )
    return Markup(
        '<figure class="chart"><figcaption>{}</figcaption>'
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
        '<ul class="legend">{}</ul></figure>'
    ).format(
        label, WIDTH, HEIGHT, f"{label}: {_spoken(known, names)}", Markup("").join(parts), legend
    )


def histogram(counts: Sequence[int], *, label: str) -> Markup:
    """Return bars of counts over ten equal parts of 0 to 1.

    Parameters
    ----------
    counts
        From left to right.
    label
        What is shown, for those who do not see it.
    """
    highest, width = max(1, *counts), 100 / len(counts)
    bars = Markup("").join(
        Markup('<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
            i * width, 40 - 40 * count / highest, width - 1, 40 * count / highest
        )
        for i, count in enumerate(counts)
    )
    words = ", ".join(f"{count}" for count in counts)
    return Markup(
        '<svg class="histogram" viewBox="0 0 100 40" role="img" aria-label="{}">{}</svg>'
    ).format(f"{label}, from 0 to 1: {words}", bars)


def _ticks(values: Sequence[float]) -> list[float]:
    """Return the values of an axis with 0 that has room for some values."""
    highest, lowest = max(0.0, *values), min(0.0, *values)
    tick = _tick(max(highest, -lowest))
    first, last = math.floor(lowest / tick), _TICKS if highest or not lowest else 0
    return [i * tick for i in range(first, last + 1)]


def _tick(highest: float) -> float:
    """Return the smallest of 1, 2, 2.5 and 5 times a power of ten that goes to a value in steps."""
    step = (highest or 1.0) / _TICKS
    power = 10.0 ** math.floor(math.log10(step))
    return power * next(one for one in (1, 2, 2.5, 5, 10) if one * power >= step * (1 - 1e-9))


def _axes(names: Sequence[str], xs: Sequence[float], ticks: Sequence[float]) -> Markup:
    bottom = HEIGHT - _BOTTOM
    lines = []
    for i, value in enumerate(ticks):
        y = bottom - (bottom - _TOP) * i / (len(ticks) - 1)
        lines.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(
                _LEFT, WIDTH - _RIGHT, y, y
            )
        )
        lines.append(
            Markup('<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(
                _LEFT - 6, y + 4, f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"
            )
        )
    every = -(-len(names) // 10)
    lines += [
        Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
            x, HEIGHT - 8, name
        )
        for x, name in list(zip(xs, names, strict=True))[::every]
    ]
    return Markup("").join(lines)


def _line(points: Sequence[tuple[float, float] | None], kind: str) -> Markup:
    """Return a path through points, broken at gaps, and a dot at each."""
    path, pen = [], "M"
    for point in points:
        if point is None:
            pen = "M"
        else:
            path.append(f"{pen}{point[0]:.1f},{point[1]:.1f}")
            pen = "L"
    dots = Markup("").join(
        Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="2.5"/>').format(kind, *point)
        for point in points
        if point is not None
    )
    return Markup('<path class="{}" d="{}"/>').format(kind, " ".join(path)) + dots


def _spoken(lines: Mapping[str, Values], names: Sequence[str]) -> str:
    """Return where each line begins and ends."""
    words = []
    for name, values in lines.items():
        there = [(at, v) for at, v in zip(names, values, strict=True) if v is not None]
        (first, start), (last, end) = there[0], there[-1]
        words.append(f"{name} from {start:.3g} at {first} to {end:.3g} at {last}")
    return "; ".join(words)
