"""What dvc.lock records, however much of it is read."""

import contextlib
import re
import shutil
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from pplr.errors import SettingError
from pplr.settings import tracking
from pplr.settings.tracking import recorded_outputs, repository, sound_beginning
from tests.tiny import ROOT

LOCK = """\
schema: '2.0'
stages:
  train@00:
    cmd: |
      train
        deps:
        - path: of the command
    deps:
    - path: pplr/losses.py
      md5: 0123
    outs:
    - path: data/models/00
      hash: md5
      md5: 45e6.dir
    params:
      params.yaml:
        k: 5
        list:
        - 1
  'no outs':
    deps:
    - path: x
  last:
    outs:
    - md5: '0789'
      path: 'a: b'
    - path: not cached
"""
RECORDED = [("train@00", "data/models/00", "45e6.dir"), ("last", "a: b", "0789")]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_outputs_by_hand(tmp_path, newline):
    (tmp_path / "dvc.lock").write_bytes(LOCK.replace("\n", newline).encode())
    assert recorded_outputs(tmp_path / "dvc.lock") == [*RECORDED, ("last", "not cached", "")]


def test_a_repository_that_has_lost_its_git(tmp_path):
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    with repository(tmp_path) as found:
        assert found is not None
    shutil.rmtree(tmp_path / ".git")
    opened = contextlib.ExitStack()
    with pytest.raises(SettingError, match="DVC cannot open this repository") as caught:
        opened.enter_context(repository(tmp_path))
    assert "git init" in str(caught.value)


def test_inputs_are_left_out_and_nothing_else():
    less = YAML(typ="safe").load(tracking._INPUTS.sub("", LOCK))["stages"]
    whole = YAML(typ="safe").load(LOCK)["stages"]
    for entry in whole.values():
        entry.pop("deps", None)
        entry.pop("params", None)
    assert {name: entry or {} for name, entry in less.items()} == whole


def test_the_lock_of_the_demo_is_read_as_dvc_reads_it():
    stages = YAML(typ="safe").load(ROOT / "dvc.lock")["stages"]
    outs = [(name, out) for name, entry in stages.items() for out in entry.get("outs", ())]
    expected = [(name, out["path"], out.get("md5", "")) for name, out in outs]
    assert recorded_outputs(ROOT / "dvc.lock") == expected
    assert len(expected) > 40


@pytest.mark.parametrize("content", [b"", b"[1]", b"stages: 5", b"a: [", b"\xff\xfe", b"<<<<<<<\n"])
def test_what_is_no_lock_records_nothing(tmp_path, content):
    (tmp_path / "dvc.lock").write_bytes(content)
    assert recorded_outputs(tmp_path / "dvc.lock") == []
    assert recorded_outputs(tmp_path / "none") == []


def test_a_cut_lock_is_sound_up_to_its_last_whole_stage():
    demo = (ROOT / "dvc.lock").read_text()
    lock = demo[: demo.index("  evaluate@init:")]
    starts = [lock.index(line) for line in re.findall(r"^  \S+:\n", lock, re.MULTILINE)]
    assert len(starts) > 2
    for at in [*range(0, len(lock), 997), *starts, len(lock)]:
        sound = sound_beginning(lock[:at])
        begun = [start for start in starts if start < at]
        assert sound is not None
        assert lock.startswith(sound)
        assert len(sound) in (at, begun[-1] if len(begun) > 1 else 0)  # readable, or cut


@pytest.mark.parametrize(
    "text",
    [
        "mine",
        LOCK[:200] + "<<<<<<< HEAD\n" + LOCK[200:],
        LOCK + "<<<<<<< HEAD\n",
        LOCK.replace("stages:", "stages: ["),
    ],
)
def test_what_is_not_merely_cut_is_not_shortened(text):
    assert sound_beginning(text) is None
