"""The rows of the paper's Tables 1 and 2 on the demo, as experiments in DVC's queue.

Usage: python -m benchmarks.ablation [--seeds N] [--jobs N] [--print]

Queues the experiments that are not there yet, starts the queue, waits for it and prints the table
in Markdown. Stopped with Ctrl-C, it ends the running experiment; the next call goes on with what is
missing.
"""

import argparse
import csv
import io
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean, stdev

import dvc.api

from pplr.settings.schedule import INIT, load_schedule
from pplr.storage.layout import RunPaths

ROOT = Path(__file__).parents[1]
SECONDS_BETWEEN_LOOKS = 20

Changes = dict[str, str | bool]


def _row(parts: str, whole: str, *, cameras: bool = False) -> Changes:
    return {"part_refinement": parts, "global_refinement": whole, "camera_aware": cameras}


ROWS: dict[str, Changes] = {
    "Baseline 1": _row("none", "none"),
    "+ AALS": _row("agreement", "none"),
    "+ PGLR": _row("none", "parts"),
    "PPLR": _row("agreement", "parts"),
    "PPLR, parts refine parts instead of AALS": _row("parts", "parts"),
    "PPLR, vanilla smoothing instead of AALS": _row("constant", "parts"),
    "PPLR, mean teacher instead of PGLR": _row("agreement", "mean-teacher"),
    "PPLR, PGLR with equal weights": _row("agreement", "parts-uniform"),
    "Baseline 2 (cameras)": _row("none", "none", cameras=True),
    "+ AALS, cameras": _row("agreement", "none", cameras=True),
    "+ PGLR, cameras": _row("none", "parts", cameras=True),
    "PPLR, cameras": _row("agreement", "parts", cameras=True),
}


def experiment(row: str, seed: int) -> str:
    """Return the name of a row's experiment."""
    return f"ablation-{re.sub('[^a-z0-9]+', '-', row.lower()).strip('-')}-{seed}"


def run(*command: str, **environment: str) -> str:
    """Return what a command of git or DVC printed."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return done.stdout


def statuses() -> dict[str, str]:
    """Return the status of each experiment in DVC's queue, by name."""
    lines = run("dvc", "queue", "status").splitlines()
    found = (re.match(r"\S+\s+(ablation-\S+)\s.*\s(\w+)\s*$", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def finished() -> set[str]:
    """Return the names of the experiments that are done."""
    names = run("dvc", "exp", "list", "--all-commits", "--name-only").split()
    return {name for name in names if name.startswith("ablation-")}


def queue_missing(seeds: int) -> set[str]:
    """Queue what is neither done nor queued, seed by seed; return the names of all of them."""
    stop()  # what a stopped call has left half done
    if "Failed" in statuses().values():
        run("dvc", "queue", "remove", "--failed")
    known = finished() | set(statuses())
    last = load_schedule(RunPaths(ROOT).schedule).last
    evaluated = f'{RunPaths().schedule}:evaluated=["{INIT}","{last}"]'  # no more is reported
    wanted = set()
    for seed in range(1, seeds + 1):
        for row, changes in ROWS.items():
            name = experiment(row, seed)
            wanted.add(name)
            if name not in known:
                words = [f"-S{key}={str(value).lower()}" for key, value in changes.items()]
                words += [f"-Sseed={seed}", f"-S{evaluated}"]
                run("dvc", "exp", "run", "--queue", "--name", name, *words)
                print(f"queued {name}", file=sys.stderr, flush=True)
    return wanted


def stop() -> None:
    """Stop the queue's workers and the experiments that run or, after a kill, seem to.

    `dvc queue stop --kill` alone lets a worker begin the next one. The stage that is at
    work ends by itself.
    """
    run("dvc", "queue", "stop")
    running = [name for name, status in statuses().items() if status == "Running"]
    if running:
        run("dvc", "queue", "kill", "--force", *running)


def wait(wanted: set[str], jobs: int) -> None:
    """Run the queue until every wanted experiment is done or has failed."""
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    run(
        *("dvc", "queue", "start", "--jobs", str(jobs)),
        OMP_NUM_THREADS=threads,
        NUMBA_NUM_THREADS=threads,
    )
    done: set[str] = set()
    while True:
        now = statuses()
        new = finished() & wanted
        for name in sorted(new - done):
            print(f"done {name}, {len(new)} of {len(wanted)}", file=sys.stderr, flush=True)
        done = new
        failed = {name for name in wanted if now.get(name) == "Failed"}
        if not wanted - done - failed:
            break
        time.sleep(SECONDS_BETWEEN_LOOKS)
    if failed:
        sys.exit(f"failed: {', '.join(sorted(failed))}; see `dvc queue logs NAME`")


def figures(name: str) -> dict[str, float]:
    """Return the last row of an experiment's history."""
    revision = run("git", "for-each-ref", "--format=%(objectname)", f"refs/exps/**/{name}").split()
    text = dvc.api.read(str(RunPaths().history), repo=str(ROOT), rev=revision[0])
    last = list(csv.DictReader(io.StringIO(text)))[-1]
    return {key: float(last[key]) for key in ("mAP", "rank1", "adjusted_rand_index")}


def spread(values: list[float]) -> str:
    """Return mean and sample standard deviation."""
    deviation = stdev(values) if len(values) > 1 else math.nan
    return f"{mean(values):.3f} ± {deviation:.3f}"


def print_table(seeds: int) -> None:
    """Print mean and standard deviation of each row, and its paired difference to its baseline."""
    there = finished()
    rows = {
        row: {
            s: figures(experiment(row, s))
            for s in range(1, seeds + 1)
            if experiment(row, s) in there
        }
        for row in ROWS
    }
    print("| | seeds | mAP | Rank-1 | Rand index | mAP, less its baseline |")
    print("|---|---|---|---|---|---|")
    for row, by_seed in rows.items():
        if not by_seed:
            continue
        cells = [
            spread([found[key] for found in by_seed.values()])
            for key in ("mAP", "rank1", "adjusted_rand_index")
        ]
        baseline = rows["Baseline 2 (cameras)" if ROWS[row]["camera_aware"] else "Baseline 1"]
        both = by_seed.keys() & baseline.keys()
        paired = [by_seed[seed]["mAP"] - baseline[seed]["mAP"] for seed in both]
        difference = spread(paired) if paired and by_seed is not baseline else ""
        print(f"| {row} | {len(by_seed)} | {' | '.join(cells)} | {difference} |")


def main() -> None:
    """Queue, wait and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="seeds 1 … N")
    parser.add_argument("--jobs", type=int, default=1, help="experiments at a time")
    parser.add_argument("--print", action="store_true", help="print what is done, and run nothing")
    arguments = parser.parse_args()
    if not arguments.print:
        try:
            wait(queue_missing(arguments.seeds), arguments.jobs)
        except KeyboardInterrupt:
            stop()
            sys.exit("stopped; `make ablation` goes on with what is missing")
    print_table(arguments.seeds)


if __name__ == "__main__":
    main()
