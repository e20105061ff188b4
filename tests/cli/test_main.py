import subprocess
import sys
from pathlib import Path

import pytest


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
