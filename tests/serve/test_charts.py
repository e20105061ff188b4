"""Curves and bars."""

import re
from pathlib import Path

import pytest

from pplr.serve import charts
from pplr.serve.charts import HEIGHT, histogram, line_chart


def numbers(text, name):
    return [float(value) for value in re.findall(rf'{name}="([-\d.]+)"', text)]


def test_a_line_by_hand():
    chart = str(line_chart(["init", "00", "01"], {"mAP": [0.0, 0.5, 1.0]}, label="Accuracy"))
    assert numbers(chart, "cy") == [HEIGHT - 30, (HEIGHT - 30 + 14) / 2, 14]
    assert numbers(chart, "cx")[0] == 52
    assert "Accuracy: mAP from 0 at init to 1 at 01" in chart
    assert "style=" not in chart


def test_a_line_that_goes_below_zero():
    chart = str(line_chart(["00", "01"], {"index": [-0.5, 1.0]}, label="l"))
    assert re.findall(r'text-anchor="end">([^<]+)<', chart) == [
        *["-0.5", "-0.25", "0", "0.25", "0.5", "0.75", "1"]
    ]
    assert numbers(chart, "cy") == [HEIGHT - 30, 14]
    chart = str(line_chart(["00", "01"], {"index": [-0.14, -0.01]}, label="l"))
    assert re.findall(r'text-anchor="end">([^<]+)<', chart) == ["-0.15", "-0.1", "-0.05", "0"]


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [
        (0.789, ["0", "0.2", "0.4", "0.6", "0.8"]),
        (111, ["0", "50", "100", "150", "200"]),
        (100, ["0", "25", "50", "75", "100"]),
        (3.33, ["0", "1", "2", "3", "4"]),
        (0, ["0", "0.25", "0.5", "0.75", "1"]),
        (12936, ["0", "5,000", "10,000", "15,000", "20,000"]),
    ],
)
def test_ticks_are_round(highest, ticks):
    chart = str(line_chart(["a"], {"x": [highest]}, label="l"))
    assert re.findall(r'text-anchor="end">([^<]+)<', chart) == ticks


def test_a_gap_breaks_the_line():
    chart = str(line_chart(["a", "b", "c", "d"], {"x": [1, None, 2, 3]}, label="l"))
    (path,) = re.findall(r' d="([^"]+)"', chart)
    assert path.count("M") == 2
    assert chart.count("<circle") == 3


def test_nothing_known_is_no_chart():
    assert not line_chart(["a"], {"x": [None]}, label="l")
    assert not line_chart([], {}, label="l")
    assert line_chart(["a"], {"x": [0.0]}, label="l")


def test_every_line_has_a_colour_of_the_style():
    chart = str(
        line_chart(["a"], {f"part {part}": [0.1 * part] for part in range(1, 9)}, label="l")
    )
    assert set(re.findall(r"\bline(\d+)", chart)) == {"1", "2", "3", "4", "5", "6"}
    style = (Path(charts.__file__).parent / "static" / "style.css").read_text()
    assert set(re.findall(r"\.line(\d+) \{ color", style)) == {"1", "2", "3", "4", "5", "6"}


def test_names_are_text():
    chart = str(line_chart(["<a>"], {"<b>": [1.0]}, label="<c>"))
    assert not re.search(r"<[abc]>", chart)


def test_bars():
    bars = str(histogram([0, 2, 1], label="l"))
    assert numbers(bars, "height") == [0, 40, 20]
    assert "from 0 to 1: 0, 2, 1" in bars
