import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import sparse

from benchmarks import gpu
from benchmarks.gpu_checks import (
    Check,
    apart,
    conclude,
    largest,
    largest_of_sparse,
    losses_apart,
    places,
    relative,
    show,
)
from tests.tiny import ROOT


def test_a_wrong_pair_is_reported_and_ends_in_exit_code_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    right = np.array([0.0, 0.5, 1.0])
    wrong = np.array([0.0, 0.5, 1.25])
    checks = [
        Check("right", largest(right, right), 0.1),
        Check("wrong", largest(wrong, right), 0.1),
        Check("absent", left_out="there is one GPU"),
    ]
    show("Title", checks)
    assert conclude(checks) == 1
    printed = capsys.readouterr().out
    assert "| right | 0.0e+00 | 1e-01 | ok |" in printed
    assert "| wrong | 2.5e-01 | 1e-01 | FAILED |" in printed
    assert "| absent | there is one GPU | | not run |" in printed
    assert printed.splitlines()[-1] == "FAILED: 1 of 2 comparisons, 1 not run: wrong"
    assert conclude([checks[0], checks[2]]) == 0
    assert capsys.readouterr().out == "\nok: all 1 comparisons hold, 1 not run\n"


def test_what_was_not_computed_has_failed() -> None:
    assert Check("nothing").verdict == "FAILED"
    assert Check("NaN", largest([np.nan], [0.0]), 1.0).verdict == "FAILED"
    assert Check("other shapes", largest([0.0], [0.0, 0.0]), 1.0).verdict == "FAILED"


def test_differences() -> None:
    assert places([[1, 2], [3, 4]], [[1, 2], [4, 3]]) == 2
    assert places([1, 2], [[1, 2]]) == np.inf
    assert relative(torch.tensor([3.0, 4.0]), torch.tensor([0.0, 4.0])) == 0.75
    assert losses_apart(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 2.0])) == 0.5
    assert apart(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.0, -1.0]])) == 2
    one = sparse.csr_array(np.array([[0, 0.5], [0.5, 0]]))
    assert largest_of_sparse(one, one) == 0
    assert largest_of_sparse(one, one * 2) == 0.5
    assert largest_of_sparse(one, sparse.csr_array(np.array([[0.5, 0], [0.5, 0]]))) == np.inf


def test_a_device_that_is_not_there_ends_in_one_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for device in ("cuda:99", "abacus"):
        assert gpu.main(["--device", device, "--small"]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("torch cannot use this device.\n  where:   --device\n")
        assert device in printed.err


@pytest.mark.slow
def test_small_on_the_cpu() -> None:
    # on a busy machine two threads wait for each other, Numba's for torch's as well
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "-m", "benchmarks.gpu", "--device", "cpu", "--small"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n### ") == 9
    assert done.stdout.splitlines()[-1] == "ok: all 29 comparisons hold, 1 not run"
    assert "| TF32 | a CPU has no TF32 | | not run |" in done.stdout
    assert "| two processes by gloo: features | 0.0e+00 | " in done.stdout
