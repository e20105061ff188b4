"""Is PPLR right and fast on this GPU: its results beside the CPU's, its speed beside the network's.

Usage: python -m benchmarks.gpu [--device cuda] [--small]

Takes at most ten minutes on a GPU and needs neither data nor weights nor DVC: images, features and
weights are made from seeds. Prints tables in Markdown; the last line and the exit code say whether
all comparisons hold. `--device cpu --small` runs the same code in a minute or two without a GPU.
"""

import argparse
import os
import platform
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.distributed as dist

from benchmarks.gpu_checks import Check, conclude, epoch_checks, precision_checks, show
from benchmarks.gpu_lists import lists
from benchmarks.gpu_shared import shared_checks
from benchmarks.gpu_speed import speed
from benchmarks.gpu_work import SIZES, make_work, unavailable
from benchmarks.measuring import GiB, table
from pplr.errors import PplrError, memory_named, worded
from pplr.settings.device_checks import check_device


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every table; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu")
    parser.add_argument("--small", action="store_true", help="little work, for a look without GPU")
    chosen = parser.parse_args(arguments)
    try:
        check_device(chosen.device, where="--device")
        advice = "end other programs on it, or add --small"
        with memory_named(f"--device {chosen.device}", next_step=advice):
            return conclude(compare(chosen.device, "small" if chosen.small else "full"))
    except (PplrError, OSError) as error:
        print(worded(error), file=sys.stderr)
    return 1


def compare(device: str, name: str) -> list[Check]:
    """Print the tables of a size, the last line apart; return all comparisons."""
    table("Machine", "what | found", machine(device))
    with tempfile.TemporaryDirectory() as folder:
        work = make_work(Path(folder), SIZES[name])
        by_precision = precision_checks(work, device)
        show("Against the CPU's float32: extraction, and an epoch of 1 iteration", by_precision)
        by_epoch = epoch_checks(work, device)
        show("Against the CPU: the first iterations of an epoch", by_epoch)
        torch.cuda.empty_cache()  # faiss has memory of its own
        by_search = lists(work.size.search, device)
        show("Against the CPU: from the same features to labels and agreement", by_search)
        by_processes = shared_checks(work, name, device)
        show("Two processes against one", by_processes)
        speed(work, device)
    return [*by_precision, *by_epoch, *by_search, *by_processes]


def machine(device: str) -> list[str]:
    """Return the rows that say what the machine is."""
    convolutions = "TF32" if torch.backends.cudnn.allow_tf32 else "float32"
    products = "TF32" if torch.backends.cuda.matmul.allow_tf32 else "float32"
    rows = [
        f"processor | {_processor()}, {os.cpu_count()} threads, "
        f"{torch.backends.cpu.get_cpu_capability()}",
        f"torch | {torch.__version__}, Python {platform.python_version()}",
        f"CUDA of torch | {torch.version.cuda or 'none'}",
        f"CUDA devices | {torch.cuda.device_count()}",
        f"NCCL | {'available' if dist.is_nccl_available() else 'not available'}",
        f"bfloat16 | {unavailable('bfloat16', device) or 'available'}",
        f"TF32 | {unavailable('TF32', device) or 'available'}",
    ]
    if device == "cpu":
        return [*rows, "compared | the CPU with itself"]
    import faiss

    found = torch.cuda.get_device_properties(device)
    return [
        *rows,
        f"torch's default for float32 | {convolutions} in convolutions, {products} in products",
        f"compared | {found.name}, {found.total_memory / GiB:.0f} GiB, "
        f"compute capability {found.major}.{found.minor}",
        f"faiss | {faiss.__version__}, sees {faiss.get_num_gpus()} GPUs",
    ]


def _processor() -> str:
    """Return the processor's name."""
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    sys.exit(main())
