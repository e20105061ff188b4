"""Curves and bars."""

import re

from pplr.serve.charts import HEIGHT, histogram, line_chart


def numbers(text, name):
    return [float(value) for value in re.findall(rf'{name}="([-\d.]+)"', text)]


def test_a_line_by_hand():
    chart = str(line_chart(["init", "00", "01"], {"mAP": [0.0, 0.5, 1.0]}, label="Accuracy"))
    assert numbers(chart, "cy") == [HEIGHT - 30, (HEIGHT - 30 + 14) / 2, 14]
    assert numbers(chart, "cx")[0] == 52
    assert "Accuracy: mAP from 0 at init to 1 at 01" in chart
    assert "style=" not in chart


def test_a_gap_breaks_the_line():
    chart = str(line_chart(["a", "b", "c", "d"], {"x": [1, None, 2, 3]}, label="l"))
    (path,) = re.findall(r' d="([^"]+)"', chart)
    assert path.count("M") == 2
    assert chart.count("<circle") == 3


def test_nothing_known_is_no_chart():
    assert not line_chart(["a"], {"x": [None]}, label="l")
    assert not line_chart([], {}, label="l")
    assert line_chart(["a"], {"x": [0.0]}, label="l")


def test_names_are_text():
    chart = str(line_chart(["<a>"], {"<b>": [1.0]}, label="<c>"))
    assert not re.search(r"<[abc]>", chart)


def test_bars():
    bars = str(histogram([0, 2, 1], label="l"))
    assert numbers(bars, "height") == [0, 40, 20]
    assert "from 0 to 1: 0, 2, 1" in bars
