"""Two processes against one on what benchmarks/gpu.py computes with: NCCL on GPUs, gloo on a CPU.

Usage: python -m benchmarks.gpu_shared FOLDER SIZE DEVICE, under torchrun; `shared_checks` does so.
"""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.gpu_checks import DTYPES, TOLERANCES, Check, apart, same_epoch
from benchmarks.gpu_work import SIZES, Work, arithmetic, features, short_epoch

ROOT = Path(__file__).parents[1]
TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")
PATIENCE = timedelta(minutes=3)  # a process that waits longer for the other one gives up


def shared_checks(work: Work, name: str, device: str) -> list[Check]:
    """Return how far two processes are from one.

    Parameters
    ----------
    work
        What is computed with.
    name
        Of its size.
    device
        Two processes take two GPUs, from the first on, unless it is the CPU.
    """
    kind = "cpu" if device == "cpu" else "cuda"
    backend = "gloo" if kind == "cpu" else "NCCL"
    what = f"two processes by {backend}"
    if kind == "cuda" and torch.cuda.device_count() < 2:
        return [Check(what, left_out="there is one GPU")]
    command = [sys.executable, "-m", *TORCHRUN, "benchmarks.gpu_shared"]
    environment = {"OMP_NUM_THREADS": "1", **os.environ}  # torchrun's default, without its warning
    done = subprocess.run(
        [*command, str(work.folder), name, kind],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return [Check(f"{what}, which ended with exit code {done.returncode}")]
    found = load_file(work.folder / "shared.safetensors")
    expected = outcome(work, device)
    difference = apart(found["features"].numpy(), expected["features"].numpy())
    checks = [Check(f"{what}: features", difference, TOLERANCES["float32"].features)]
    for dtype in DTYPES:
        one, two = (
            {key: case[f"{dtype} {key}"] for key in ("losses", "weights", "statistics")}
            for case in (expected, found)
        )
        checks += same_epoch(f"{what}, ", work, dtype, two, one)
    return checks


def outcome(work: Work, device: str) -> dict[str, Tensor]:
    """Return what is compared: features, and a short epoch in each dtype."""
    with arithmetic("float32"):
        global_features, part_features = map(torch.from_numpy, features(work, device=device))
        spaces = torch.cat((global_features[:, None], part_features), dim=1)
        tensors = {"features": spaces}  # (N,1+P,D)
        for dtype in DTYPES:
            epoch = short_epoch(work, device=device, steps=work.size.steps, dtype=dtype)
            tensors |= {f"{dtype} {key}": value for key, value in epoch.items()}
    return tensors


def main(folder: str, name: str, device: str) -> None:
    """Write the outcome of these processes, by the first of them."""
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))  # `cuda` is this one from now on
    dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=PATIENCE)
    try:
        tensors = outcome(Work(Path(folder), SIZES[name]), device)
        if dist.get_rank() == 0:
            save_file(tensors, Path(folder) / "shared.safetensors")
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
