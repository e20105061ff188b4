"""How long the pages of `pplr serve` take on the server, and how much memory it uses.

Usage: python -m benchmarks.serving [--images N] [--here]

Serves two alternations of random arrays, or with `--here` the run in the current folder, in a
process of its own. Asks for each page once, and then twenty times. Prints a table in Markdown.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

from benchmarks.looking import write_run
from benchmarks.measuring import GiB, table
from pplr.runs import open_run
from pplr.serve.look import Look
from pplr.serve.queries import ranked_models

TIMES = 20
IDLE_SECONDS = 20
PROGRAM = "from pplr.cli.main import main; main()"


def addresses(root: Path) -> list[str]:
    """Return an address of each kind of page that a run has."""
    run = open_run(root)
    name = run.alternations[-1]
    found = ["/", f"/alternation/{name}", f"/alternation/{name}?order=mixed&page=2"]
    found += [f"/alternation/{name}/{what}" for what in ("outliers", "cluster/3", "image/100")]
    found += ["/compare", "/picture/train/100.png", f"/masked/{name}/100.png"]
    for model in ranked_models(Look(run))[-1:]:
        found += [f"/queries/{model}", f"/query/{model}/3"]
    return found


def measure(root: Path, title: str) -> None:
    """Serve a run, ask for its pages, and print how long each took."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "serve", str(root), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip().rstrip("/")
    try:
        rows = []
        for path in addresses(root):
            first, *others = [_seconds(address + path) for _ in range(1 + TIMES)]
            median = statistics.median(others)
            rows.append(f"`{path}` | {1000 * first:.0f} | {1000 * median:.0f}")
        server = psutil.Process(process.pid)
        used = server.memory_info().rss
        before = sum(server.cpu_times()[:2])
        time.sleep(IDLE_SECONDS)
        idle = (sum(server.cpu_times()[:2]) - before) / IDLE_SECONDS
        table(title, f"page | first, ms | median of {TIMES}, ms", rows)
        print(f"\nmemory {used / GiB:.2f} GiB; idle, {idle:.1%} of a core")
    finally:
        process.terminate()
        process.wait()


def _seconds(address: str) -> float:
    begin = time.perf_counter()
    with urllib.request.urlopen(address, timeout=600) as answer:
        answer.read()
    return time.perf_counter() - begin


def main() -> None:
    """Measure a run of random arrays, or the one in this folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--here", action="store_true")
    arguments = parser.parse_args()
    if arguments.here:
        measure(Path(), "The run in this folder")
        return
    with tempfile.TemporaryDirectory() as folder:
        write_run(Path(folder), arguments.images, 64)
        measure(Path(folder), f"{arguments.images:,} images")


if __name__ == "__main__":
    main()
