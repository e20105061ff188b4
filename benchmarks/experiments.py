"""Experiments in DVC's queue, of one name each: queued once, run, stopped and gone on with."""

import csv
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pplr.settings.schedule import INIT, load_schedule
from pplr.storage.layout import RunPaths

ROOT = Path(__file__).parents[1]
SECONDS_BETWEEN_LOOKS = 20

Changes = Mapping[str, str | bool | int | float]


def run(*command: str, **environment: str) -> str:
    """Return what a command of git or DVC printed, in the repository."""
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


def run_queue(experiments: Mapping[str, Changes], *, jobs: int, again: str) -> None:
    """Queue the experiments that are not there yet, and run the queue until all are done.

    Parameters
    ----------
    experiments
        The settings of each by its name, in the order in which they run.
    jobs
        How many run at a time; they share the cores.
    again
        The command that goes on after Ctrl-C, which ends the running experiment.
    """
    paths = RunPaths()
    if run("git", "status", "--porcelain", str(paths.params), str(paths.schedule)):
        sys.exit(
            f"{paths.params} or {paths.schedule} is not committed: experiments belong to a commit,"
            " and those of one name are run once for it. Commit them, and run it again."
        )
    try:
        queue_missing(experiments)
        wait(set(experiments), jobs)
    except KeyboardInterrupt:
        stop(set(experiments))
        sys.exit(f"stopped; `{again}` goes on with what is missing")


def statuses() -> dict[str, str]:
    """Return the status of each experiment in DVC's queue, by name."""
    lines = run("dvc", "queue", "status").splitlines()
    found = (re.match(r"\S+\s+(\S+-\S+)\s.*\s(\w+)\s*$", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def finished() -> set[str]:
    """Return the names of the experiments that are done, from the commit that is checked out.

    Those of other commits may have had other settings.
    """
    return set(run("dvc", "exp", "list", "--name-only").split())


def queue_missing(experiments: Mapping[str, Changes]) -> None:
    """Queue what is not done; only init and the last alternation are evaluated.

    What the queue has of these names is removed first: it may be of another commit, or half done.
    """
    stop(set(experiments))
    if queued := [name for name in statuses() if name in experiments]:
        run("dvc", "queue", "remove", *queued)
    known = finished()
    last = load_schedule(RunPaths(ROOT).schedule).last
    evaluated = f'{RunPaths().schedule}:evaluated=["{INIT}","{last}"]'  # no more is reported
    for name, changes in experiments.items():
        if name not in known:
            words = [f"-S{key}={str(value).lower()}" for key, value in changes.items()]
            run("dvc", "exp", "run", "--queue", "--name", name, *words, f"-S{evaluated}")
            print(f"queued {name}", file=sys.stderr, flush=True)


def stop(names: set[str]) -> None:
    """Stop the queue's workers and those of the experiments that run or, after a kill, seem to.

    `dvc queue stop --kill` alone lets a worker begin the next one. The stage that is at
    work ends by itself.
    """
    run("dvc", "queue", "stop")
    running = [name for name, status in statuses().items() if status == "Running"]
    running = [name for name in running if name in names]
    if running:
        run("dvc", "queue", "kill", "--force", *running)


def wait(wanted: set[str], jobs: int) -> None:
    """Run the queue until every wanted experiment is done or has failed."""
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    done: set[str] = set()
    while True:
        now = statuses()
        if "Queued" in map(now.get, wanted) and "Running" not in now.values():
            run(  # again where a worker has ended before its time
                *("dvc", "queue", "start", "--jobs", str(jobs)),
                OMP_NUM_THREADS=threads,
                NUMBA_NUM_THREADS=threads,
            )
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


# What is reported of a run, without identities the last three, and what it is called.
REPORTED = {
    "mAP": "mAP",
    "rank1": "Rank-1",
    "adjusted_rand_index": "ARI",
    "clusters": "clusters",
    "outliers": "outliers",
    "agreement": "agreement",
}


def known_of(found: Iterable[Sequence[dict[str, float]]]) -> list[str]:
    """Return which of `REPORTED` every run has."""
    runs = [one for seeds in found for one in seeds]
    return [key for key in REPORTED if all(key in one for one in runs)]


def figures(name: str) -> dict[str, float]:
    """Return the last row of an experiment's history."""
    import dvc.api

    head = run("git", "rev-parse", "HEAD").strip()
    revision = run("git", "rev-parse", f"refs/exps/{head[:2]}/{head[2:]}/{name}").strip()
    text = dvc.api.read(str(RunPaths().history), repo=str(ROOT), rev=revision)
    last = list(csv.DictReader(io.StringIO(text)))[-1]
    return {key: float(last[key]) for key in REPORTED if last.get(key)}


def draw_curves(
    path: Path, values: Sequence[float], found: Sequence[Sequence[dict[str, float]]], setting: str
) -> None:
    """Draw two figures over the values of a setting: the mean of the seeds, and each of them.

    They are mAP and Rank-1; without identities clusters and outliers.

    Parameters
    ----------
    path
        The picture, whose suffix is its format.
    values
        The values, ascending.
    found
        For each value, the figures of each seed.
    setting
        Its name, for the axis.
    """
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    known = known_of(found)
    for axis, key in zip(axes, ("mAP", "rank1") if "mAP" in known else known[:2], strict=True):
        points = [(x, one[key]) for x, seeds in zip(values, found, strict=True) for one in seeds]
        means = [sum(one[key] for one in seeds) / len(seeds) for seeds in found]
        axis.plot(values, means, color="C0", marker="o")
        axis.scatter(*zip(*points, strict=True), color="C0", s=12, alpha=0.5, zorder=3)
        axis.set(xlabel=setting, ylabel=REPORTED[key], xticks=values)
        axis.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)
