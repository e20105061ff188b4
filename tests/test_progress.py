import io
import itertools
import sys

import pytest

from pplr import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_items_come_through_and_the_last_one_writes_one_line(capsys):
    assert list(progress.track("abc", total=3, what="decoding train")) == ["a", "b", "c"]
    output = capsys.readouterr()
    assert output.err == "decoding train: 3/3, 0 s\n"
    assert output.out == ""


def test_long_work_writes_a_line_now_and_then(capsys, monkeypatch):
    # The clock advances 4 s with each reading: one at the start, one an item.
    clock = itertools.count(100.0, 4.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    list(progress.track(range(7), total=7, what="x"))
    # 4 and 8 s: silence. 12 s: a line. 16 and 20 s: silence. 24 s: a line. 28 s: the last item.
    assert capsys.readouterr().err == "x: 3/7, 12 s\nx: 6/7, 24 s\nx: 7/7, 28 s\n"


def test_items_are_taken_one_by_one():
    taken = []
    items = (taken.append(i) or i for i in range(5))
    tracked = progress.track(items, total=5, what="x")
    assert taken == []
    next(tracked)
    assert taken == [0]


def test_no_items_no_lines(capsys):
    assert list(progress.track([], total=0, what="x")) == []
    assert capsys.readouterr().err == ""


def test_work_that_breaks_off_is_not_called_done(capsys):
    def items():
        yield 1
        message = "disk full"
        raise OSError(message)

    with pytest.raises(OSError, match="disk full"):
        list(progress.track(items(), total=2, what="x"))
    assert "2/2" not in capsys.readouterr().err


def test_a_terminal_gets_a_bar_on_standard_error(monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert list(progress.track(range(3), total=3, what="decoding train")) == [0, 1, 2]
    assert "decoding train" in terminal.getvalue()
    assert "100%" in terminal.getvalue()
    assert capsys.readouterr().out == ""
