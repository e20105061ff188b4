"""The pipeline under DVC itself: what runs, what is reused, and what a kill leaves."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE, STDOUT

import numpy as np
import psutil
import pytest
from ruamel.yaml import YAML

from stages.order import LAST
from tests.datasets.trees import write_images
from tests.tiny import ROOT, copy_kernels, digests, make_workspace

ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "DVC_NO_ANALYTICS": "1",
    "GIT_AUTHOR_NAME": "test",
    "GIT_AUTHOR_EMAIL": "test@example.com",
    "GIT_COMMITTER_NAME": "test",
    "GIT_COMMITTER_EMAIL": "test@example.com",
}


def run(folder: Path, *command: str, ok: bool = True) -> str:
    """Return what a command printed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert (done.returncode == 0) == ok, done.stdout
    return done.stdout


def stages_run(output: str) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", output))


def make_repository(folder: Path) -> Path:
    """Make a folder a git and DVC repository in which `dvc repro` has run; return it."""
    make_workspace(folder)
    copy_kernels(folder)  # what earlier tests have compiled
    run(folder, "git", "init", "-q", "-b", "main")
    run(folder, "dvc", "init", "-q")
    for name in (".dvc/config", ".dvcignore"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    run(folder, "dvc", "repro")
    run(folder, "git", "add", ".")
    run(folder, "git", "commit", "-q", "-m", "finished")
    return folder


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which `dvc repro` has run."""
    return make_repository(tmp_path_factory.mktemp("repository"))


AFTER_BETA = {
    "check-settings",
    "train-epoch@00",
    "extract-features@01",
    "cluster@01",
    "compute-agreement@01",
    "train-epoch@01",
    "evaluate@01",
    *LAST,
}


def test_a_second_run_runs_nothing(repository: Path) -> None:
    run(repository, "dvc", "checkout", "--quiet", "--relink")
    output = run(repository, "dvc", "repro")
    assert stages_run(output) == set()
    assert "up to date" in output


def test_workers_change_no_stage(repository: Path) -> None:
    params = repository / "params.yaml"
    before = params.read_text()
    params.write_text(re.sub(r"workers: \d+", "workers: 1", before))
    assert stages_run(run(repository, "dvc", "repro")) == {"check-settings"}
    params.write_text(before)
    assert stages_run(run(repository, "dvc", "repro")) == set()


def test_an_experiment_reruns_what_its_change_reaches(repository: Path) -> None:
    before = digests(repository / "data")
    output = run(repository, "dvc", "exp", "run", "-S", "beta=0.3")
    assert stages_run(output) == AFTER_BETA
    changed = {
        name for name, content in digests(repository / "data").items() if content != before[name]
    }
    assert "models/00/weights.safetensors" in changed
    assert not any(name.startswith(("dataset", "models/init")) for name in changed)
    first = {name for name in changed if name.startswith("alternations/00")}
    assert first
    assert all(name.startswith("alternations/00/refined.zarr") for name in first)
    output = run(repository, "dvc", "exp", "run", "-S", "beta=0.5")
    assert stages_run(output) == set()
    assert digests(repository / "data") == before


def test_an_unknown_setting_ends_before_any_work(repository: Path) -> None:
    before = (repository / "params.yaml").read_text()
    (repository / "params.yaml").write_text(before.replace("beta:", "btea:"))
    output = run(repository, "dvc", "repro", ok=False)
    (repository / "params.yaml").write_text(before)
    assert "There is no setting `btea`" in output
    assert "did you mean `beta`?" in output
    assert "Traceback" not in output
    assert stages_run(output) == {"check-settings"}


# the weights are on disk, the optimizer is not
KILLED_WHILE_WRITING = """
import os, signal
import pplr.network.checkpoint
from stages import launch
save = pplr.network.checkpoint.save_file
def save_or_die(tensors, path, **options):
    if path.name != "weights.safetensors":
        os.kill(os.getpid(), signal.SIGKILL)
    save(tensors, path, **options)
pplr.network.checkpoint.save_file = save_or_die
launch.main("train-epoch", "01", "00")
"""


def test_a_killed_epoch_leaves_no_half_model_and_runs_on(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    run(tmp_path, "git", "clone", "-q", str(repository), str(clone))
    straight = digests(repository / "data" / "models")
    run(clone, "dvc", "config", "--local", "cache.dir", str(repository / ".dvc" / "cache"))
    run(clone, "dvc", "checkout", "--quiet", "compute-agreement@01", "--with-deps")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_WRITING], cwd=clone, env=ENVIRONMENT, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    (half,) = (clone / "data/models").glob(".01.*.partial/01/weights.safetensors")
    assert not (clone / "data/models/01").exists()
    again = run(clone, "dvc", "repro", "--force", "--single-item", "train-epoch@01")
    assert stages_run(again) == {"train-epoch@01"}
    assert not half.exists()
    assert digests(clone / "data" / "models") == straight


@pytest.mark.slow
@pytest.mark.parametrize(("how", "beta"), [("--temp", 0.4), ("--queue", 0.45)])
def test_an_experiment_in_a_copy_runs_the_copys_code(
    repository: Path, how: str, beta: float
) -> None:
    history = repository / "pplr" / "runs" / "history.py"
    before = history.read_text()
    history.write_text(before.replace('"clusters": int', '"groups": int'))
    output = run(repository, "dvc", "exp", "run", how, "--name", f"copy{how}", "-S", f"beta={beta}")
    if how == "--queue":
        run(repository, "dvc", "queue", "start")
        output = ""
        while "Running" in (status := run(repository, "dvc", "queue", "status")) or (
            "Queued" in status
        ):
            time.sleep(2)
        output = run(repository, "dvc", "queue", "logs", f"copy{how}")
    history.write_text(before)
    assert stages_run(output) == AFTER_BETA
    # data/history.csv of the experiment, from DVC's cache
    run(repository, "dvc", "exp", "apply", f"copy{how}")
    assert ",groups," in (repository / "data/history.csv").read_text()
    run(repository, "git", "checkout", "-q", "--", ".")
    run(repository, "dvc", "checkout", "--quiet")


@pytest.mark.slow
def test_images_in_data_raw_are_found_in_a_copy(repository: Path) -> None:
    write_images(repository / "data/raw/photos", ["a.jpg", "b/c.jpg"])
    run(repository, "pplr", "configure", "folder", "--data-dir", "data/raw/photos")
    experiment = ("dvc", "exp", "run", "--temp", "--name", "raw", "prepare-data")
    assert "prepare-data" in stages_run(run(repository, *experiment))
    run(repository, "git", "checkout", "-q", "--", ".")


@pytest.mark.slow
def test_twenty_kills_end_in_the_bytes_of_a_straight_run(repository: Path, tmp_path: Path) -> None:
    """Stages and DVC itself are killed at random moments; another DVC goes on at once."""
    clone = tmp_path / "clone"
    run(tmp_path, "git", "clone", "-q", str(repository), str(clone))
    straight = outputs_of(clone)
    (clone / "dvc.lock").unlink()
    rng = np.random.default_rng(0)
    killed = {"dvc": 0, "stage": 0}
    while sum(killed.values()) < 20:
        whom = str(rng.choice(list(killed)))
        with subprocess.Popen(
            ["dvc", "repro"], cwd=clone, env=ENVIRONMENT, stdout=PIPE, stderr=STDOUT
        ) as dvc:
            assert dvc.stdout is not None
            for line in dvc.stdout:
                if b"Running stage" in line:
                    break
            time.sleep(rng.uniform(0, 8))
            stages = [
                process
                for process in psutil.Process(dvc.pid).children(recursive=True)
                if "stages.launch" in " ".join(process.cmdline())
            ]
            if dvc.poll() is not None:  # it has got to the end
                assert dvc.returncode == 0, dvc.stdout.read()
                break
            if whom == "dvc" or not stages:
                dvc.kill()
                killed["dvc"] += 1
            else:
                stages[-1].kill()
                killed["stage"] += 1
            dvc.stdout.read()
    assert min(killed.values()) > 0, killed
    run(clone, "pplr", "verify", "--heal")  # an empty lock of DVC's, say
    run(clone, "dvc", "repro")
    assert outputs_of(clone) == straight
    assert not list((clone / "data").rglob("*.partial"))


def outputs_of(folder: Path) -> dict[str, str]:
    """Return the digest of every output that dvc.lock records."""
    stages = YAML(typ="safe").load(folder / "dvc.lock")["stages"].values()
    return {out["path"]: out["md5"] for stage in stages for out in stage["outs"]}
