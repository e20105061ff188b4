"""A sweep in DVC's queue: what a setting does not change runs once, and a stopped sweep goes on."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.stages.test_dvc import make_repository, run, stages_run
from tests.tiny import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed repository, with the benchmarks."""
    folder = make_repository(tmp_path_factory.mktemp("repository"))
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "benchmarks", folder / "benchmarks", ignore=ignore)
    run(folder, "git", "add", ".")
    run(folder, "git", "commit", "-q", "-m", "finished")
    return folder


def test_five_values_of_beta_cluster_once(repository: Path) -> None:
    values = ("0.1", "0.3", "0.5", "0.7", "0.9")
    command = (sys.executable, "-m", "benchmarks.sweep", "beta", *values)
    table = run(repository, *command)
    assert [line.split()[1] for line in table.splitlines() if line.startswith("| 0")] == list(
        values
    )
    assert (repository / "data" / "sweeps" / "beta.png").is_file()
    logs = [
        run(repository, "dvc", "queue", "logs", f"sweep-beta-{value.replace('.', 'p')}-1")
        for value in values
    ]
    ran = [stages_run(log) for log in logs]
    first = {"prepare-data", "init-model", "extract-features@00", "cluster@00"}
    assert not any(first & stages for stages in ran)  # the run before has them
    assert sum("train-epoch@00" in stages for stages in ran) == 4  # all but the run's own 0.5
    again = run(repository, *command)
    assert "queued" not in again
    assert again.splitlines()[-3:] == table.splitlines()[-3:]
    # experiments belong to a commit: those of the one before are no longer the sweep's
    run(repository, "git", "commit", "-q", "--allow-empty", "-m", "later")
    run(repository, "dvc", "exp", "run", "--queue", "--name", "mine", "-S", "beta=0.4")
    later = run(repository, *command[:-4])
    assert later.count("queued") == 1
    assert "| 0.1 |" in later
    assert "mine" in run(repository, "dvc", "queue", "status")


def test_what_is_not_committed_is_not_swept(repository: Path) -> None:
    params = repository / "params.yaml"
    before = params.read_text()
    params.write_text(before.replace("k: 5", "k: 4", 1))
    output = run(repository, sys.executable, "-m", "benchmarks.sweep", "beta", "0.1", ok=False)
    assert "not committed" in output
    params.write_text(before)
