"""What dvc.lock records, however much of it is read."""

import pytest
from ruamel.yaml import YAML

from pplr.settings import tracking
from pplr.settings.tracking import recorded_outputs
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


def test_inputs_are_left_out_and_nothing_else(tmp_path):
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
