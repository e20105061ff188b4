"""What every stage says and leaves on a small file system that is full."""

import json
import subprocess
import sys

import pytest

from stages.order import LAST, STAGES
from tests.tiny import ROOT

pytestmark = pytest.mark.slow

REFUSED = 3  # exit code where nothing may be mounted
BEFORE_THE_WORK = ("extract-features", "train-epoch", "evaluate")
SMALL = ("check-settings", "cluster", *LAST)  # need no more than any stage


@pytest.fixture(scope="module")
def found(tiny_run, tmp_path_factory):
    """What became of each stage of the tiny run, by its name."""
    place = tmp_path_factory.mktemp("small_disk")
    command = ("unshare", "--map-root-user", "--mount", sys.executable, "-m", "tests.full_disk")
    try:
        done = subprocess.run(
            [*command, tiny_run, place], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("there is no `unshare` here to mount a small file system with")
    if done.returncode == REFUSED or "unshare" in done.stderr.partition(":")[0]:
        pytest.skip("a small file system may not be mounted here")
    assert done.returncode == 0, done.stderr
    return {one["stage"]: one for one in json.loads(done.stdout)}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_without_room_says_how_much_is_missing_and_leaves_all_as_it_was(found, stage):
    refused = found[stage]["refused"]
    assert "There is no room on the disk for what is to be written.\n  where:   data" in refused
    assert ("where:   data/" in refused) == (stage not in SMALL)
    assert "B missing\n" in refused
    assert "next:    make room and run `dvc repro` again" in refused
    assert "Traceback" not in refused
    if stage in BEFORE_THE_WORK:  # no progress of it is told
        assert refused.startswith(stage)
    assert found[stage]["left"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_disk_that_fills_while_a_stage_writes_costs_nothing(found, stage):
    filled = found[stage]["filled"]
    assert "There is no room on the disk for what is to be written.\n  where:   data/" in filled
    assert ".partial" not in filled
    assert "B missing\n" in filled
    assert found[stage]["kept"]
    assert not found[stage]["leftovers"]


@pytest.mark.parametrize("stage", STAGES)
def test_with_what_was_missing_a_stage_ends_in_the_same_bytes(found, stage):
    assert found[stage]["again"] == ""
    assert found[stage]["same"]
