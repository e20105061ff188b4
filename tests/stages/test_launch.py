"""The stages of the model as several processes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

from pplr.errors import DataError, SettingError
from pplr.storage.arrays import read_arrays
from stages import cluster, launch, processes
from tests.tiny import digests, make_workspace, working_in


def launch_process(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stages.launch", *command],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_several_processes_run_the_stages_of_the_model(tiny_run: Path, tmp_path: Path) -> None:
    launcher = "torchrun --standalone --nproc-per-node 2"
    folder = make_workspace(tmp_path, launcher=launcher, samples_per_bn=6)
    shutil.copytree(tiny_run / "data", folder / "data")
    for group in ("alternations/00/features.zarr", "models/00"):
        shutil.rmtree(folder / "data" / group)
    for command in (("extract-features", "00", "init"), ("train-epoch", "00", "init")):
        done = launch_process(folder, *command)
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr
        timing = json.loads((folder / "data/timing" / command[0] / "00.json").read_text())
        assert timing["images_per_second"] > 0
    names = ("global", "parts")
    for one, two in zip(
        *(
            read_arrays(where / "data/alternations/00/features.zarr", *names)
            for where in (tiny_run, folder)
        ),
        strict=True,
    ):  # 48 images are one batch: the bits, but for the number of threads
        np.testing.assert_allclose(one, two, atol=1e-3)
    assert {path.name for path in (folder / "data/models/00").iterdir()} == {
        path.name for path in (tiny_run / "data/models/00").iterdir()
    }


def test_too_many_processes_end_in_one_message(tiny_run: Path, tmp_path: Path) -> None:
    launcher = "torchrun --standalone --nproc-per-node 2"
    folder = make_workspace(tmp_path, launcher=launcher, samples_per_bn=4)
    script = folder / "stages/processes.py"  # however slow the machine, the first is the first
    text = script.read_text()
    patient = re.sub(r"^(SECONDS_FOR_THE_FIRST) = \d+$", r"\1 = 600", text, flags=re.MULTILINE)
    assert patient != text
    script.write_text(patient)
    (folder / "data").symlink_to(tiny_run / "data")
    before = digests(tiny_run / "data")
    done = launch_process(folder, "train-epoch", "00", "init")
    assert done.returncode == 1
    assert done.stderr.count("The batch cannot be dealt to so many processes") == 1
    assert "2 processes, batch_size 12, samples_per_bn 4" in done.stderr
    assert "Traceback" not in done.stderr
    assert digests(tiny_run / "data") == before


def test_a_device_that_is_not_there_is_said_by_every_stage(tiny_run: Path, tmp_path: Path) -> None:
    folder = make_workspace(tmp_path, device="cuda:99")  # as after a pull onto another machine
    (folder / "data").symlink_to(tiny_run / "data")
    done = launch_process(folder, "train-epoch", "00", "init")
    assert done.returncode == 1
    assert done.stderr.startswith("train-epoch 00 init: torch cannot use this device.\n")
    assert "Traceback" not in done.stderr


def test_more_processes_than_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    with (
        pytest.raises(SettingError, match="There are fewer GPUs than processes") as error,
        processes.joined("cuda"),
    ):
        pass
    assert "4 processes on this machine, with 2 CUDA devices" in str(error.value)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda: torch.empty(2**60, dtype=torch.uint8), "can't allocate memory: you tried"),
        (lambda: np.empty(2**60, np.uint8), "Unable to allocate 1.00 EiB for an array"),
        (lambda: bytes(2**62), "no more main memory"),
        (
            lambda: raising(torch.OutOfMemoryError("CUDA out of memory. Tried")),
            "CUDA out of memory",
        ),
    ],
)
def test_memory_that_is_full_ends_in_one_message(
    tiny_run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: Callable[[], object],
    said: str,
) -> None:
    def fail(*_: str) -> None:
        asked()

    monkeypatch.setattr(cluster, "main", fail)
    with working_in(tiny_run):
        assert launch.main("cluster", "00") == 1
    err = capsys.readouterr().err
    assert err.startswith("cluster 00: There is not enough memory for this.")
    assert "device in params.yaml, cpu" in err
    assert said in err


def raising(error: Exception) -> None:
    raise error


def test_the_process_that_knows_the_cause_speaks_first(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(dist, "get_rank", lambda: 0)
    for name in ("init_process_group", "destroy_process_group"):
        monkeypatch.setattr(dist, name, lambda *_: None)
    known = DataError("x", where="x", value="x", allowed="x", next_step="x")
    for error in (known, RuntimeError("Connection closed by peer")):
        with pytest.raises(type(error)), processes.joined("cpu"):
            raise error
    assert slept == [2 * processes.SECONDS_FOR_THE_FIRST]


def test_an_interrupt_while_a_stage_loads_is_one_line(tiny_run: Path, tmp_path: Path) -> None:
    slow = "import time; print('loads', flush=True); time.sleep(600)"
    (tmp_path / "pydantic.py").write_text(slow)
    command = [sys.executable, "-m", "stages.launch", "train-epoch", "01", "00"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(
        command,
        cwd=tiny_run,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as stage:
        assert stage.stdout is not None
        assert stage.stdout.readline() == "loads\n"
        stage.send_signal(signal.SIGINT)
        _, error = stage.communicate(timeout=60)
    assert stage.returncode == 130
    assert error == "stopped; `dvc repro` goes on\n"
