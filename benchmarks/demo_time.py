"""Where the demo's wall time goes: model computation, imports, DVC, reading and writing.

Usage: python -m benchmarks.demo_time

Runs `dvc repro` in a fresh clone of the last commit, twice: kernels are compiled in the first run,
and lie in a cache in the second, from which everything else is removed. Prints a table in Markdown.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from benchmarks.measuring import table
from pplr.storage.layout import RunPaths

ROOT = Path(__file__).parents[1]
REST = "DVC, and starting and ending processes"


def run(clone: Path, watch: Path) -> tuple[float, dict[str, float]]:
    """Return the wall time of the demo in a clone, and the seconds of each kind of work."""
    folder = watch / "noted"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    watched = {"PATH": search, "PYTHONPATH": str(watch), "STOPWATCH": str(folder)}
    start = time.perf_counter()
    for command in (["repro", "--no-run-cache"], ["checkout", "--quiet", "--relink"]):
        subprocess.run(
            ["dvc", *command],
            cwd=clone,
            env={**os.environ, **watched},
            stdout=subprocess.DEVNULL,
            check=True,
        )
    wall = time.perf_counter() - start
    totals: dict[str, float] = defaultdict(float)
    for file in folder.iterdir():
        for kind, seconds in json.loads(file.read_text()).items():
            totals[kind] += seconds
    totals[REST] = wall - sum(totals.values())
    return wall, totals


def main() -> None:
    """Run the demo twice and print both."""
    with tempfile.TemporaryDirectory() as place:
        watch, clone = Path(place), Path(place) / "clone"
        shutil.copy(ROOT / "benchmarks" / "stopwatch.py", watch / "sitecustomize.py")
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        first, compiled = run(clone, watch)
        for left in (clone / ".dvc" / "cache", clone / ".dvc" / "tmp", RunPaths(clone).data):
            shutil.rmtree(left, ignore_errors=True)
        subprocess.run(["git", "checkout", "--quiet", "."], cwd=clone, check=True)
        again, cached = run(clone, watch)
    kinds = sorted(cached.keys() | compiled.keys(), key=lambda kind: -cached.get(kind, 0))
    rows = [
        f"{kind} | {compiled.get(kind, 0):.0f} s | {cached.get(kind, 0):.0f} s | "
        f"{cached.get(kind, 0) / again:.0%}"
        for kind in kinds
    ]
    rows.append(f"all | {first:.0f} s | {again:.0f} s | 100%")
    table("The demo's wall time", "| first run | kernels compiled before | share", rows)


if __name__ == "__main__":
    main()
