"""`pplr compare` at the command line."""

import json

import pytest

from pplr.cli.compare import ONLY
from pplr.runs.compare import MEASURES, PIECES
from tests.tiny import working_in


@pytest.fixture
def compare(tiny_run, run):
    def compare(*arguments):
        with working_in(tiny_run):
            return run("compare", *arguments)

    return compare


def test_the_help_names_every_piece():
    assert f"Some of it, with commas: {', '.join(PIECES)}." == ONLY


def test_the_same_run(compare, tiny_run):
    code, out, err = compare(tiny_run, ".")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split()[:2] == ["pixels", "features"]
    assert [line.split()[0] for line in lines[1:5]] == ["dataset", "init", "00", "01"]
    assert lines[-1] == "the same"


def test_two_alternations_beyond_and_within(compare):
    code, out, _ = compare("00", "01", "--only", "clusters,features")
    assert code == 1
    assert out.startswith("largest difference of a feature")
    assert "the first, in the features of 00, 01: features" in out
    wide = [f"--tolerance={name}={0 if MEASURES[name].same else 1e9}" for name in MEASURES]
    code, out, _ = compare("00", "01", "--only", "clusters,features", *wide)
    assert (code, out.splitlines()[-1]) == (0, "within the tolerances")
    code, out, _ = compare("00", "01", *wide)  # 00 is not evaluated
    assert code == 2
    assert "not compared: evaluation of 00, 01: only in B" in out


def test_json(compare):
    code, out, _ = compare("00", "01", "--only", "clusters", "--json")
    found = json.loads(out)
    assert code == 1
    assert found.keys() == {"rows", "beyond", "not_compared"}
    assert 0 <= found["rows"]["00, 01"]["overlap"] <= 1
    assert found["beyond"][0].keys() == {"row", "measure", "value", "allowed"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("none", "."), "git and DVC"),
        (("00", "05"), "There is no such alternation."),
        (("00", "01", "--only", "lists"), "no such piece"),
        (("00", "01", "--tolerance", "rank_1=1"), "did you mean `rank1`"),
        (("00", "01", "--tolerances", "none.yaml"), "file of tolerances"),
    ],
)
def test_what_cannot_be_compared_ends_in_one_message(compare, arguments, text):
    code, out, err = compare(*arguments)
    assert (code, out) == (2, "")
    assert text in err
    assert len(err.splitlines()) == 5
