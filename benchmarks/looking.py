"""How long `pplr inspect` and `pplr compare` take on many images, and how much memory.

Usage: python -m benchmarks.looking [--images N] [--features D] [--here]

Writes two alternations of random arrays in the layout of a run, and runs the commands as processes
of their own, three times each. With `--here`, they look at the run in the current folder instead.
Prints a table in Markdown.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring import GiB, table
from pplr.settings.configure import make_settings
from pplr.settings.writing import format_params, format_schedule
from pplr.storage.arrays import table_digest, write_arrays
from pplr.storage.images import complete_split, create_split
from pplr.storage.layout import RunPaths

COMMANDS = (
    ("inspect",),
    ("inspect", "01"),
    ("inspect", "01", "--cluster", "5"),
    ("inspect", "--image", "100"),
    ("compare", "00", "01"),
)
TIMES = 3
PROGRAM = "from pplr.cli.main import main; main()"


def write_run(root: Path, N: int, D: int) -> None:
    """Write settings, images without content and two alternations that differ."""
    settings = make_settings("demo", None, epochs=2, cameras=False, overrides=[])
    paths = RunPaths(root)
    paths.params.write_text(format_params(settings.params))
    paths.schedule.write_text(format_schedule(settings.schedule))
    rng = np.random.default_rng(0)
    names = [f"{row:07d}.jpg" for row in range(N)]
    people = (np.arange(N) // 16).astype(np.int32)
    train = paths.split("train")
    create_split(train, (N, 8, 4, 3))
    complete_split(train, columns={"pids": people, "camids": people % 6}, paths=names)
    for name in settings.schedule.alternations:
        _write_alternation(paths, name, people, D, rng, digest=table_digest(names))


def _write_alternation(
    paths: RunPaths,
    name: str,
    people: NDArray[np.int32],
    D: int,
    rng: np.random.Generator,
    *,
    digest: str,
) -> None:
    N, P, k = len(people), 3, 20
    features = rng.standard_normal((N, 1 + P, D), np.float32)
    features /= np.linalg.norm(features, axis=-1, keepdims=True)
    halves = features.astype(np.float16)
    labels = np.where(rng.random(N) < 0.1, -1, people).astype(np.int32)
    # k different rows each
    lists = (rng.integers(N, size=(N, P + 1, 1)) + np.arange(k) * 7) % N
    arrays: dict[str, dict[str, NDArray[Any]]] = {
        "features": {"global": halves[:, 0].copy(), "parts": halves[:, 1:].copy()},
        "clusters": {"pseudo_labels": labels, "ranked_list": lists[:, 0].astype(np.int32)},
        "agreement": {
            "ranked_lists": lists[:, 1:].astype(np.int32),
            "cross_agreement": rng.random((N, P), np.float32),
        },
        "refined": {
            "refined_classes": np.repeat(labels[:, None], 3, axis=1),
            "refined_weights": rng.random((N, 3), np.float32),
        },
    }
    for group, content in arrays.items():
        write_arrays(paths.arrays(name, group), content, digest=digest)


def measure(root: Path, arguments: tuple[str, ...]) -> tuple[list[float], float]:
    """Return the seconds of each of some processes, and the largest memory of one in bytes."""
    seconds, memory = [], 0.0
    for _ in range(TIMES):
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments], cwd=root, stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds.append(time.perf_counter() - start)
        code = process.returncode = os.waitstatus_to_exitcode(status)
        memory = max(memory, 1024 * usage.ru_maxrss)
        assert code == (arguments[0] == "compare"), arguments  # the two differ
    return seconds, memory


def main() -> None:
    """Write a run, look at it, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--here", action="store_true", help="the run in this folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path.cwd() if arguments.here else Path(folder)
        if not arguments.here:
            # in a process of its own: those that it measures begin with this one's memory
            size = (root, arguments.images, arguments.features)
            writer = multiprocessing.get_context("spawn").Process(target=write_run, args=size)
            writer.start()
            writer.join()
        rows = []
        for command in COMMANDS:
            seconds, memory = measure(root, command)
            middle = sorted(seconds)[len(seconds) // 2]
            rows.append(
                f"`pplr {' '.join(command)}` | {middle:.1f} | {max(seconds):.1f} "
                f"| {memory / GiB:.2f}"
            )
    what = "this run" if arguments.here else f"{arguments.images:,} images, D {arguments.features}"
    table(f"Looking at {what}", "command | seconds, median | largest | GiB", rows)


if __name__ == "__main__":
    main()
