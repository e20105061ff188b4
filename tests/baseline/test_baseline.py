"""The stages give what the baseline in this folder holds, each on the arrays that it holds."""

import subprocess
import sys

import pytest

from tests.baseline.check import BASELINE
from tests.tiny import ROOT


def check(*arguments):
    """Return exit code and output, of a process of its own, for its arithmetic is portable."""
    command = [sys.executable, "-m", "tests.baseline.check", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr + done.stdout


def test_the_stages_give_what_the_baseline_holds():
    code, output = check()
    assert (code, output.splitlines()[-1]) == (0, "the same"), output


def test_the_baseline_is_small():
    size = sum(path.stat().st_size for path in BASELINE.root.rglob("*") if path.is_file())
    assert size < 700_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "stage"),
    [
        ("demo_camera=0.9", "images of dataset"),
        ("eps=0.7", "clusters of 00"),
        ("k=4", "agreement of 00"),
        ("seed=2", "training of 00"),
        ("rerank=true", "evaluation of init"),
    ],
)
def test_a_change_shows_in_the_stage_that_it_changes(change, stage):
    code, output = check(change)
    assert code == 1
    assert f"first, in the {stage}:" in output.splitlines()[-1]
