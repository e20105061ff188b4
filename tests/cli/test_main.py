import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.tiny import ROOT


@pytest.mark.parametrize(
    "arguments",
    [
        ["configure"],
        ["configure", "demo", "--epochs", "0"],
        ["configure", "demo", "--epochs", "1001"],
        ["nonsense"],
    ],
)
def test_a_wrong_command_line_is_exit_code_2(repository, run, arguments):
    code, _, err = run(*arguments)
    assert code == 2
    assert err.startswith("Usage: ")
    assert "Traceback" not in err
    assert not (repository / "params.yaml").exists()


def test_a_users_mistake_gives_no_traceback(repository):
    command = Path(sys.executable).with_name("pplr")
    finished = subprocess.run(
        [command, "configure", "demo", "--set", "btea=0.3"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 1
    assert finished.stdout == ""
    assert finished.stderr.startswith("There is no setting `btea`.\n  where:   --set\n")
    assert "Traceback" not in finished.stderr


def test_settings_that_are_a_pipe_stay(run, repository):
    os.mkfifo(repository / "params.yaml")
    code, _, err = run("configure", "demo")
    assert code == 1
    assert err.startswith("This is no file of settings.\n  where:   params.yaml\n")
    assert (repository / "params.yaml").is_fifo()


def test_what_a_terminal_cannot_print_ends_no_command(tiny_run):
    finished = subprocess.run(
        [sys.executable, "-c", "from pplr.cli.main import main; main()", "inspect", "01"],
        cwd=tiny_run,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "\\u258" in finished.stdout  # a bar of a histogram


def test_a_link_in_a_circle_is_one_message(run, repository):
    (repository / "circle").symlink_to("circle")
    code, _, err = run("configure", "folder", "--data-dir", "circle")
    assert code == 1
    assert "found:   Symlink loop from" in err
    assert not (repository / "params.yaml").exists()


def test_memory_that_is_full_is_one_message(run, monkeypatch, tiny_run):
    monkeypatch.chdir(tiny_run)
    monkeypatch.setattr("pplr.runs.open_run", lambda: np.empty(2**60, np.uint8))
    code, out, err = run("history")
    assert (code, out) == (1, "")
    assert err.startswith("There is not enough memory for this.\n")
    assert "Unable to allocate 1.00 EiB" in err


def test_what_the_system_refuses_is_one_message(run, repository):
    (repository / "params.yaml").mkdir()
    code, _, err = run("configure", "demo")
    assert code == 1
    assert err == (
        "The system refuses a file or folder.\n"
        "  where:   params.yaml\n"
        "  found:   Is a directory\n"
        "  allowed: what this user may read and write, on a disk with room\n"
        "  next:    change its permissions, make room, or name another one\n"
    )
