"""Full method against Baseline 1 on the embedded data set, paired by seed.

Usage: python -m benchmarks.full_against_baseline [--seeds N]

Runs the demo's stages, with the demo's settings, for each seed and method, one after another in
this process. Prints the table in Markdown.
"""

import argparse
import math
import os
import sys
import tempfile
from statistics import mean, stdev

from benchmarks.running import FIGURES, last_row, run_demo

METHODS = {
    "full": [],
    "baseline": ["part_refinement=none", "global_refinement=none"],
}


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
            rows[seed] = {}
            for name, words in METHODS.items():
                run_demo([f"seed={seed}", *words])
                rows[seed][name] = last_row()
            print(seed, rows[seed], file=sys.stderr, flush=True)
    print_table(rows)


if __name__ == "__main__":
    main()
