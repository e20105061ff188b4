"""Full method against Baseline 1 on the embedded data set, paired by seed.

Usage: python -m benchmarks.full_against_baseline [--seeds N]

Runs the demo's stages, with the demo's settings, for each seed and method, one after another in
this process. Prints the table in Markdown.
"""

import argparse
import csv
import importlib
import math
import os
import sys
import tempfile
from pathlib import Path
from statistics import mean, stdev

from pplr.configure import format_params, format_schedule, make_settings

WEIGHTS = Path(__file__).parents[1] / "demo" / "backbone.safetensors"
METHODS = {
    "full": [],
    "baseline": ["part_refinement=none", "global_refinement=none"],
}
FIGURES = ("mAP", "rank1", "adjusted_rand_index")


def run(stage: str, *arguments: str) -> None:
    """Run one stage in the current folder."""
    importlib.import_module(f"stages.{stage}").main(*arguments)


def last_row(seed: int, overrides: list[str]) -> dict[str, float]:
    """Return the last row of the history of one run in the current folder."""
    words = [f"seed={seed}", f"weights={WEIGHTS}", *overrides]
    settings = make_settings("demo", None, epochs=None, overrides=words)
    Path("params.yaml").write_text(format_params(settings.params))
    Path("schedule.yaml").write_text(format_schedule(settings.schedule))
    if not Path("data/dataset.zarr").exists():  # the same for every run
        run("prepare_data")
    run("init_model")
    for name, previous in settings.schedule.alternations.items():
        run("extract_features", name, previous)
        run("cluster", name)
        run("compute_agreement", name)
        run("train_epoch", name, previous)
    for name in settings.schedule.evaluated:
        run("evaluate", name)
    run("summarize")
    with Path("data/history.csv").open(newline="") as file:
        row = list(csv.DictReader(file))[-1]
    return {name: float(row[name]) for name in FIGURES}


def print_table(rows: dict[int, dict[str, dict[str, float]]]) -> None:
    """Print every run, and the paired differences with their standard errors."""
    columns = [(figure, method) for figure in FIGURES for method in METHODS]
    print("| seed | " + " | ".join(f"{figure}, {method}" for figure, method in columns) + " |")
    print("|" + "---|" * (1 + len(columns)))
    for seed, row in rows.items():
        cells = [f"{row[method][figure]:.3f}" for figure, method in columns]
        print(f"| {seed} | " + " | ".join(cells) + " |")
    print()
    for figure in FIGURES:
        differences = [row["full"][figure] - row["baseline"][figure] for row in rows.values()]
        error = stdev(differences) / math.sqrt(len(differences)) if len(rows) > 1 else math.nan
        print(f"full − baseline, {figure}: {mean(differences):+.3f} ± {error:.3f} (standard error)")


def main() -> None:
    """Run every seed and method, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="seeds 1 … N")
    seeds = range(1, parser.parse_args().seeds + 1)
    rows: dict[int, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for seed in seeds:
            rows[seed] = {name: last_row(seed, words) for name, words in METHODS.items()}
            print(seed, rows[seed], file=sys.stderr, flush=True)
    print_table(rows)


if __name__ == "__main__":
    main()
