import hashlib
import shutil

import pytest

from pplr.settings.presets import PRESETS
from tests.tiny import working_in


def test_history_before_the_first_run(repository, run):
    code, out, err = run("history")
    assert (code, out) == (1, "")
    assert "There is no history yet." in err
    assert "dvc repro" in err
    assert "dvc pull" in err


@pytest.mark.parametrize("weights", ["random", PRESETS["demo"]["weights"]])
def test_history_prints_the_table_and_where_things_lie(repository, run, weights):
    run("configure", "demo", "--set", f"weights={weights}")
    (repository / "data").mkdir()
    (repository / "data" / "history.csv").write_text(
        "alternation,clusters,outliers,agreement_1,adjusted_rand_index,mAP,rank1\n"
        "init,,,,,0.25,0.5\n"
        "00,12,3,0.125,0.75,0.5,0.625\n"
    )
    code, out, err = run("history")
    assert (code, err) == (0, "")
    assert "0.625" in out
    assert "data/alternations/<e>/clusters.zarr" in out
    assert "for looking only" in out
    assert "the table is of the run that dvc.lock records" in out  # there are no arrays
    assert ("stand-in for ImageNet weights" in out) == (weights != "random")


def test_a_history_without_arrays_is_the_one_that_is_recorded(repository, run):
    run("configure", "demo")
    history = repository / "data" / "history.csv"
    history.parent.mkdir()
    history.write_text("alternation,mAP,rank1\ninit,0.25,0.5\n")
    digest = hashlib.md5(history.read_bytes()).hexdigest()
    lock = repository / "dvc.lock"
    lock.write_text(
        "schema: '2.0'\nstages:\n  summarize:\n    cmd: x\n    outs:\n"
        f"    - path: data/history.csv\n      md5: {digest}\n"
    )
    assert run("history")[0] == 0
    history.write_text(history.read_text().replace("0.25", "0.35"))
    code, _, err = run("history")
    assert code == 1
    assert "not what dvc.lock records" in err


TABLE = """\
alternation  clusters  outliers    ARI  agreement 1  agreement 2  agreement 3    mAP  Rank-1
       init                                                                    """


@pytest.fixture
def copy(tiny_run, tmp_path, monkeypatch):
    """A copy of the tiny run, which is the current folder."""
    shutil.copytree(tiny_run, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    return tmp_path / "run"


def test_history_of_a_finished_run(tiny_run, run):
    with working_in(tiny_run):
        code, out, err = run("history")
    assert (code, err) == (0, "")
    assert out.startswith(TABLE)
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["init", "00", "01"]
    assert lines[4] == ""
    assert "data/alternations/<e>/clusters.zarr" in out
    assert "dvc repro" not in out


def test_history_of_a_run_in_progress(copy, run):
    finished = run("history")[1].splitlines()
    (copy / "data/results/evaluation/01.json").unlink()
    code, out, err = run("history")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:3] == finished[:3]
    assert finished[3].startswith(lines[3])
    assert len(lines[3].split()) == 7  # neither mAP nor Rank-1
    assert "alternation 01 (2 of 2): trained, not evaluated; `dvc repro` goes on." in lines
    assert "data/history.csv and metrics.json are of the run before." in lines
    assert "data/alternations/<e>/clusters.zarr" not in out
    (copy / "data/history.csv").unlink()
    assert "of the run before" not in run("history")[1]


def test_history_before_the_first_alternation(copy, run):
    for folder in ("alternations", "results"):
        shutil.rmtree(copy / "data" / folder)
    (copy / "data/history.csv").unlink()
    code, out, _ = run("history")
    assert code == 0
    assert out.splitlines()[:2] == [
        "alternation  clusters  outliers  ARI  mAP  Rank-1",
        "       init",
    ]
    assert "init: made, not evaluated; `dvc repro` goes on." in out


def test_history_below_the_root_says_where_the_root_is(copy, run, monkeypatch):
    monkeypatch.chdir(copy / "data" / "models")
    code, out, err = run("history")
    assert (code, out) == (1, "")
    assert "This is not the root of the repository." in err
    assert f"next:    cd {copy}\n" in err


def test_history_of_a_damaged_run_is_one_message(copy, run):
    (copy / "data/results/training/00.json").write_text("{")
    code, out, err = run("history")
    assert (code, out) == (1, "")
    assert err.startswith("`00.json` cannot be read.\n")
