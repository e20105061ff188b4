"""Settings that change while a stage runs, and stages whose DVC has ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from stages import cluster, launch, prepare_data, train_epoch
from tests.tiny import ROOT, make_workspace, working_in

# --- settings ------------------------------------------------------------------------------


@pytest.fixture
def workspace(tmp_path):
    with working_in(make_workspace(tmp_path)):
        yield tmp_path


def while_running(monkeypatch, module, file, old, new):
    """Let a stage do nothing but write a settings file anew, as an editor beside it would."""

    def edit(*arguments):
        path = Path(file)
        content = path.read_text()
        assert content.count(old) == 1
        path.write_text(content.replace(old, new))

    monkeypatch.setattr(module, "main", edit)


@pytest.mark.parametrize(
    ("module", "stage", "file", "old", "new", "said"),
    [
        (train_epoch, "train-epoch", "params.yaml", "beta: 0.5", "beta: 0.3", "params.yaml: beta"),
        (cluster, "cluster", "params.yaml", "eps: 0.7", "eps: 0.6", "params.yaml: eps"),
        (cluster, "cluster", "params.yaml", "\neps: 0.7", "\nesp: 0.7", "params.yaml: eps"),
        (
            prepare_data,
            "prepare-data",
            "schedule.yaml",
            "images: pplr/datasets/demo",
            "images: elsewhere",
            "schedule.yaml: inputs",
        ),
    ],
)
def test_a_stage_whose_settings_have_changed_fails(
    workspace, monkeypatch, capsys, module, stage, file, old, new, said
):
    while_running(monkeypatch, module, file, old, new)
    assert launch.main(stage, "01", "00") == 1
    error = capsys.readouterr().err
    assert "Settings were changed while a stage ran" in error
    assert f"where:   {said}\n" in error
    assert not (workspace / "data/timing").exists()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("beta: 0.5", "beta: 0.3"),  # cluster does not read it
        ("workers: 2", "workers: 3"),  # no stage lists it
        ("workers: 2", "workers: many"),  # nor is it read again
        ("# Written by", "# Looked at by"),
    ],
)
def test_a_stage_that_does_not_read_what_has_changed_succeeds(workspace, monkeypatch, old, new):
    while_running(monkeypatch, cluster, "params.yaml", old, new)
    assert launch.main("cluster", "01") == 0
    assert (workspace / "data/timing/cluster/01.json").is_file()


def test_settings_that_cannot_be_read_any_more_are_one_message(workspace, monkeypatch, capsys):
    while_running(monkeypatch, cluster, "params.yaml", "beta: 0.5", "beta: [")
    assert launch.main("cluster", "01") == 1
    assert "A settings file is no YAML mapping" in capsys.readouterr().err


# --- the life of DVC -----------------------------------------------------------------------

# A stage that never ends, started as DVC starts one, by a shell or not; its name stands in both
# command lines.
STAGE = (
    "from stages import guard; guard.end_with_dvc(); print('watches', flush=True);"
    "import time; time.sleep(600)  # stages.launch"
)
DVC = """
import os, subprocess, sys
shell = sys.argv[1] == "shell"
code = os.environ["STAGE"]
command = f'"{sys.executable}" -c "{code}"; true' if shell else [sys.executable, "-c", code]
stage = subprocess.Popen(command, shell=shell)
print(stage.pid, flush=True)
stage.wait()
"""


@pytest.mark.parametrize("how", ["shell", "directly"])
@pytest.mark.parametrize("by_dvc", [True, False])
def test_a_stage_ends_with_the_dvc_that_started_it(how, by_dvc):
    environment = {**os.environ, "STAGE": STAGE, "PYTHONPATH": str(ROOT)}
    environment.pop("DVC_STAGE", None)
    if by_dvc:
        environment["DVC_STAGE"] = "train-epoch@01"
    with subprocess.Popen(
        [sys.executable, "-c", DVC, how],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as dvc:
        started = psutil.Process(int(dvc.stdout.readline()))
        assert dvc.stdout.readline() == "watches\n"
        family = [started, *started.children()]
        assert len(family) == (2 if how == "shell" else 1)
        dvc.send_signal(signal.SIGKILL)
        _, alive = psutil.wait_procs(family, timeout=300 if by_dvc else 2)
        for process in alive:
            process.kill()
        assert len(alive) == (0 if by_dvc else len(family))
