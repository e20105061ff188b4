"""The rows of the paper's Tables 1 and 2 on the demo, as experiments in DVC's queue.

Usage: python -m benchmarks.ablation [--seeds N] [--jobs N] [--print]

Queues the experiments that are not there yet, starts the queue, waits for it, prints the table
in Markdown and draws it. Stopped with Ctrl-C, it ends the running experiment; the next call goes on
with what is missing.
"""

import argparse
import math
import re
import sys
from pathlib import Path
from statistics import mean, stdev

from benchmarks.experiments import ROOT, Changes, figures, finished, run_queue
from pplr.storage.layout import RunPaths


def _row(parts: str, whole: str, *, cameras: bool = False) -> Changes:
    return {"part_refinement": parts, "global_refinement": whole, "camera_aware": cameras}


PICTURE = RunPaths(ROOT).data / "sweeps" / "ablation.png"

ROWS: dict[str, Changes] = {
    "Baseline 1": _row("none", "none"),
    "+ AALS": _row("agreement", "none"),
    "+ PGLR": _row("none", "parts"),
    "PPLR": _row("agreement", "parts"),
    "PPLR, parts refine parts instead of AALS": _row("parts", "parts"),
    "PPLR, vanilla smoothing instead of AALS": _row("constant", "parts"),
    "PPLR, balanced smoothing": _row("balanced", "parts"),
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


def experiments(seeds: int) -> dict[str, Changes]:
    """Return the settings of each experiment, seed by seed."""
    return {
        experiment(row, seed): {**changes, "seed": seed}
        for seed in range(1, seeds + 1)
        for row, changes in ROWS.items()
    }


def spread(values: list[float]) -> str:
    """Return mean and sample standard deviation."""
    deviation = stdev(values) if len(values) > 1 else math.nan
    return f"{mean(values):.3f} ± {deviation:.3f}"


def found_by_row(seeds: int) -> dict[str, dict[int, dict[str, float]]]:
    """Return the figures of the experiments that are done, by row and seed."""
    there = finished()
    return {
        row: {
            seed: figures(experiment(row, seed))
            for seed in range(1, seeds + 1)
            if experiment(row, seed) in there
        }
        for row in ROWS
    }


def print_table(rows: dict[str, dict[int, dict[str, float]]]) -> None:
    """Print mean and standard deviation of each row, and its paired difference to its baseline."""
    print("| | seeds | mAP | Rank-1 | ARI | mAP, less its baseline |")
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


def draw_rows(path: Path, rows: dict[str, list[dict[str, float]]]) -> None:
    """Draw the mAP of each row: every seed a dot, their mean a line."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 0.6 + 0.35 * len(rows)), layout="constrained")
    for place, seeds in enumerate(rows.values()):
        values = [one["mAP"] for one in seeds]
        axis.plot(values, [place] * len(values), "o", color="C0", alpha=0.6, markersize=5)
        axis.plot([mean(values)] * 2, [place - 0.3, place + 0.3], color="black")
    axis.set(yticks=range(len(rows)), yticklabels=list(rows), xlabel="mAP")
    axis.invert_yaxis()
    axis.grid(axis="x", alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    """Queue, wait, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="seeds 1 … N")
    parser.add_argument("--jobs", type=int, default=1, help="experiments at a time")
    parser.add_argument("--print", action="store_true", help="print what is done, and run nothing")
    arguments = parser.parse_args()
    if not arguments.print:
        again = " ".join(["python -m benchmarks.ablation", *sys.argv[1:]])
        run_queue(experiments(arguments.seeds), jobs=arguments.jobs, again=again)
    by_row = found_by_row(arguments.seeds)
    print_table(by_row)
    draw_rows(PICTURE, {row: list(seeds.values()) for row, seeds in by_row.items() if seeds})
    print(f"\n{PICTURE}")


if __name__ == "__main__":
    main()
