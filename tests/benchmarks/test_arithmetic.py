import hashlib

import pytest

from benchmarks import arithmetic
from benchmarks.arithmetic import COLUMNS, add_row, row_of_run
from pplr.storage.layout import RunPaths
from tests.tiny import tiny_params, tiny_schedule, write_settings

CPUINFO = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 1
flags\t\t: fpu sse avx avx2 fma
"""
LOCK = """\
stages:
  b: {outs: [{path: data/b, md5: '2'}]}
  a: {outs: [{path: data/a, md5: '1.dir'}, {path: metrics.json, md5: '3'}]}
"""


@pytest.fixture
def row(tmp_path):
    write_settings(tmp_path, tiny_params(arithmetic="portable"), tiny_schedule())
    (tmp_path / "dvc.lock").write_text(LOCK)
    (tmp_path / "metrics.json").write_text('{"mAP": 0.71234}')
    return row_of_run(RunPaths(tmp_path), CPUINFO)


def test_a_row_by_hand(row):
    digest = hashlib.sha256(b"data/a 1.dir\ndata/b 2\nmetrics.json 3\n").hexdigest()
    assert row == {
        "processor": "AuthenticAMD family 25 model 1",
        "instructions": "AVX2",
        "arithmetic": "portable",
        "outputs": "3",
        "digest": digest[:16],
        "mAP": "0.7123",
    }
    assert tuple(row) == COLUMNS


def test_a_processor_that_has_run_nothing_has_no_row(row, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(arithmetic, "add_row", lambda *_: pytest.fail("added"))
    with pytest.raises(SystemExit, match="has not run 17 of the stages, as check-settings"):
        arithmetic.main()


def test_a_row_stands_there_once(tmp_path, row):
    table = tmp_path / "t.csv"
    other = row | {"processor": "another"}
    assert add_row(table, row) == []
    assert add_row(table, other) == [row]
    before = table.read_bytes()
    assert add_row(table, row) == [other]
    assert table.read_bytes() == before
