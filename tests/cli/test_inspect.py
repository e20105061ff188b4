"""`pplr inspect` at the command line."""

import json

import pytest

from tests.tiny import working_in


@pytest.fixture
def inspect(tiny_run, run):
    def inspect(*arguments):
        with working_in(tiny_run):
            return run("inspect", *arguments)

    return inspect


@pytest.mark.parametrize(
    ("arguments", "text", "key"),
    [
        ((), "demo: 48 train", "history"),
        (("01",), "alternation 01: 48 images in", "sizes"),
        (("01", "--cluster", "0"), "cluster 0 of alternation 01", "nearest"),
        (("--image", "3"), "neighbours in alternation 01", "neighbours"),
        (("00", "--image", "3"), "neighbours in alternation 00", "neighbours"),
    ],
)
def test_words_and_json(inspect, arguments, text, key):
    code, out, err = inspect(*arguments)
    assert (code, err) == (0, "")
    assert text in out
    code, out, _ = inspect(*arguments, "--json")
    assert code == 0
    assert key in json.loads(out)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("07",), "no such alternation"),
        (("--cluster", "0"), "name the alternation"),
        (("01", "--cluster", "0", "--image", "1"), "at once"),
        (("--image", "nobody"), "names no training image"),
        (("--rev", "main"), "git and DVC"),
    ],
)
def test_mistakes_end_in_one_message(inspect, arguments, text):
    code, out, err = inspect(*arguments)
    assert (code, out) == (1, "")
    assert text in err
    assert len(err.splitlines()) == 5
