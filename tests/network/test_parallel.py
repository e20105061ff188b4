"""Two processes against one: the same global batch, the same groups for batch norm."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pplr.checks import check_world
from pplr.errors import SettingError
from pplr.network import parallel
from pplr.storage.json_files import read_json
from tests import shared_work
from tests.tiny import ROOT

TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What one process wrote, which is this one, and what two wrote."""
    one, two = (tmp_path_factory.mktemp("work") for _ in range(2))
    shared_work.main(one)
    command = [sys.executable, "-m", *TORCHRUN, "tests.shared_work", str(two)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [one, two]


def tensors(folders: list[Path], name: str) -> list[dict[str, torch.Tensor]]:
    return [load_file(folder / f"{name}.safetensors") for folder in folders]


def test_features_have_the_same_bits(folders: list[Path]) -> None:
    one, two = (np.load(folder / "features.npz") for folder in folders)
    for name in ("whole", "parts"):
        assert len(one[name]) == 300
        np.testing.assert_array_equal(one[name], two[name])


def test_gradients_of_the_first_step(folders: list[Path]) -> None:
    one, two = tensors(folders, "first_step")
    moments = [key for key in one if key.startswith("optimizer.exp_avg.")]
    assert len(moments) > 20
    for key in moments:  # a tenth of the gradient, after one step without weight decay
        difference = (one[key] - two[key]).norm() / one[key].norm()
        assert difference < 1e-5, key


@pytest.mark.parametrize("case", ["ten_steps", "few_clusters"])
def test_weights_after_steps_in_float64(folders: list[Path], case: str) -> None:
    one, two = tensors(folders, case)
    assert set(one) == set(two)
    assert any(key.startswith("teacher.") for key in one) == (case == "ten_steps")
    for key, value in one.items():
        if "num_batches_tracked" not in key:
            torch.testing.assert_close(two[key], value, rtol=1e-6, atol=1e-6)


def test_losses_of_an_epoch_in_float32(folders: list[Path]) -> None:
    one, two = (read_json(folder / "epoch.json") for folder in folders)
    assert two == pytest.approx(one, rel=1e-2)


@pytest.mark.parametrize(
    ("total", "size", "bounds"),
    [(8, 1, [0, 8]), (8, 2, [0, 4, 8]), (7, 2, [0, 3, 7]), (6, 4, [0, 1, 3, 4, 6])],
)
def test_shares_are_contiguous_and_even(
    monkeypatch: pytest.MonkeyPatch, total: int, size: int, bounds: list[int]
) -> None:
    monkeypatch.setattr(parallel, "world_size", lambda: size)
    shares = parallel.shares(total)
    assert [share.start for share in shares] == bounds[:-1]
    assert [share.stop for share in shares] == bounds[1:]


@pytest.mark.parametrize(
    ("size", "batch", "group", "fits"),
    [
        (1, 64, None, True),
        (2, 64, 16, True),
        (4, 64, 16, True),
        (8, 64, 16, False),
        (3, 64, None, False),
        (32, 64, None, True),
        (64, 64, None, False),
        (1, 9, None, True),
        (3, 9, None, True),
        (2, 9, None, False),
        (1, 9, 3, True),
    ],
)
def test_processes_share_a_batch_in_whole_groups(
    size: int,
    batch: int,
    group: int | None,
    fits: bool,  # noqa: FBT001
) -> None:
    if fits:
        check_world(batch, group, num_processes=size)
        return
    with pytest.raises(SettingError, match="cannot be dealt to so many processes") as error:
        check_world(batch, group, num_processes=size)
    assert f"{size} processes, batch_size {batch}, samples_per_bn {group}" in str(error.value)
