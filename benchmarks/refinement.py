"""When does refinement pay? The full method against Baseline 1 on the demo, paired by seed.

Usage: python -m benchmarks.refinement [run] [--seeds N …] [--studies N …] [--results FILE]

`run` makes the runs that the file of results lacks and adds each when it is done, so that it can be
stopped and goes on; several processes can take different seeds. Without it, only the tables are
printed, in Markdown. A run takes one or two minutes.
"""

import argparse
import csv
import itertools
import math
import os
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

from safetensors.torch import load_file, save_file

from benchmarks.running import FIGURES, last_row, run_demo
from pplr.network import backbones
from pplr.settings.schedule import INIT
from pplr.storage.layout import ModelFiles, RunPaths

RESULTS = Path(__file__).with_suffix(".csv").resolve()
# A file for each type of processor and state of the code, where the same seed ends elsewhere; pairs
# are of one file.
ALL_RESULTS = "refinement*.csv"
BASELINE = "part_refinement=none global_refinement=none"
LENGTHS = {15: "iterations=15", 30: "iterations=30", 60: "", 120: "iterations=120"}
DIMENSION = 512  # of the demo's features


class Run(NamedTuple):
    """One run: its overrides apart from the seed, how often its features are repeated, its seed."""

    overrides: str
    copies: int
    seed: int


class Study(NamedTuple):
    """A table: what varies, and the pairs of settings that are compared, by label."""

    title: str
    pairs: dict[str, tuple[str, str, int]]  # label -> overrides, their baseline's, copies


STUDIES = (
    Study(
        "Iterations of an epoch (visits of a class: iterations × 16 / 70)",
        {
            f"{n} ({n * 16 / 70:.0f} visits)": (f"{words}", f"{words} {BASELINE}".strip(), 1)
            for n, words in LENGTHS.items()
        },
    ),
    Study(
        "The same, one refinement alone",
        {
            f"{name}, {n}": (f"{words} {alone}".strip(), f"{words} {BASELINE}".strip(), 1)
            for name, alone in (
                ("PGLR", "part_refinement=none"),
                ("AALS", "global_refinement=none"),
            )
            for n, words in LENGTHS.items()
        },
    ),
    Study(
        "The same, both, with beta 0.9",
        {
            f"{n}": (f"{words} beta=0.9".strip(), f"{words} {BASELINE}".strip(), 1)
            for n, words in LENGTHS.items()
        },
    ),
    Study(
        "What acts, and from which epoch on (6 epochs)",
        {
            "AALS from 0, no PGLR": ("aals_epoch=0 global_refinement=none", BASELINE, 1),
            "AALS from 3, no PGLR": ("aals_epoch=3 global_refinement=none", BASELINE, 1),
            "AALS from 5, no PGLR": ("global_refinement=none", BASELINE, 1),
            "PGLR from 0, no AALS": ("part_refinement=none", BASELINE, 1),
            "PGLR from 1, no AALS": ("part_refinement=none pglr_epoch=1", BASELINE, 1),
            "PGLR from 3, no AALS": ("part_refinement=none pglr_epoch=3", BASELINE, 1),
            "PGLR from 5, no AALS": ("part_refinement=none pglr_epoch=5", BASELINE, 1),
            "both from 0": ("aals_epoch=0", BASELINE, 1),
            "both from 3": ("aals_epoch=3 pglr_epoch=3", BASELINE, 1),
            "AALS from 5, PGLR from 0 (the paper's)": ("", BASELINE, 1),
        },
    ),
    Study(
        "beta",
        {
            f"{beta}": ("" if beta == 0.5 else f"beta={beta}", BASELINE, 1)
            for beta in (0.25, 0.5, 0.75, 0.9)
        },
    ),
    Study(
        "Both, smoothing dealt out by agreement (`part_refinement: balanced`), and the paper's",
        {
            f"{n}{label}": (f"{LENGTHS[n]} {words}".strip(), f"{LENGTHS[n]} {BASELINE}".strip(), 1)
            for label, words in (
                ("", "part_refinement=balanced"),
                (", from epoch 0", "aals_epoch=0 part_refinement=balanced"),
                (", from epoch 0, the paper's", "aals_epoch=0"),
            )
            for n in (60, 120)
        },
    ),
    Study(
        "Feature dimension: the same features repeated, which sharpens predictions alone",
        {f"{DIMENSION * n}": ("", BASELINE, n) for n in (1, 2, 4)},
    ),
)


def wanted_runs(studies: list[Study], seeds: list[int]) -> Iterator[Run]:
    """Yield every run of some studies once, seed by seed."""
    for seed in seeds:
        pairs = itertools.chain.from_iterable(study.pairs.values() for study in studies)
        runs = ((words, copies) for *both, copies in pairs for words in both)
        for overrides, copies in dict.fromkeys(runs):
            yield Run(overrides, copies, seed)


def finished_runs(results: Path) -> dict[Run, dict[str, float]]:
    """Return the figures of the runs in a file of results."""
    if not results.exists():
        return {}
    with results.open(newline="") as file:
        return {
            Run(row["overrides"], int(row["copies"]), int(row["seed"])): {
                name: float(row[name]) for name in FIGURES
            }
            for row in csv.DictReader(file)
        }


def repeat_features(copies: int) -> None:
    """Repeat the channels of the last layer of models/init, and of BNNecks, so many times.

    Cosines stay as they are; embeddings are √copies longer, and so are logits.
    """
    path = ModelFiles(RunPaths().model(INIT)).weights
    state = load_file(path)
    last = ("layer4.layers.6", "layer4.layers.7", "layer4.shortcut", "bnnecks")
    for key, value in state.items():
        if any(name in key for name in last) and value.ndim:
            state[key] = value.repeat(copies, *[1] * (value.ndim - 1))
    path.unlink()
    save_file(state, path)


def demo_resnet(num_rows: int, copies: int) -> backbones.Backbone:
    """Return the demo's backbone with so many times its features."""
    backbone = ORIGINAL(num_rows)
    D = DIMENSION * copies
    backbone.layer4 = backbones.Residual(
        backbones._projection(128, D), backbones._bottleneck(128, 128, D)
    )
    backbone.num_features = D
    return backbone


ORIGINAL = backbones.demo_resnet


def make(run: Run) -> dict[str, float]:
    """Return the figures of a run in the current folder."""
    overrides = [f"seed={run.seed}", *run.overrides.split()]
    if run.copies == 1:
        run_demo(overrides)
        return last_row()

    def widen() -> None:
        repeat_features(run.copies)
        backbones.demo_resnet = partial(demo_resnet, copies=run.copies)

    try:
        run_demo(overrides, prepare=widen)
    finally:
        backbones.demo_resnet = ORIGINAL
    return last_row()


def make_missing(studies: list[Study], seeds: list[int], results: Path) -> None:
    """Make the runs that are not in the file of results, one after another."""
    finished = finished_runs(results)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for wanted in wanted_runs(studies, seeds):
            if wanted in finished:
                continue
            figures = make(wanted)
            new = not results.exists()
            with results.open("a", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                if new:
                    writer.writerow([*Run._fields, *FIGURES])
                writer.writerow([*wanted, *(f"{figures[name]:.4f}" for name in FIGURES)])
            print(*wanted, figures, file=sys.stderr, flush=True)


def print_study(study: Study, files: list[dict[Run, dict[str, float]]], seeds: list[int]) -> None:
    """Print the paired differences of one study, with their standard errors."""
    print(f"\n### {study.title}\n")
    print("| | pairs | mAP, Baseline 1 | mAP, refined | difference | ARI, difference |")
    print("|---|---|---|---|---|---|")
    for label, (overrides, baseline, copies) in study.pairs.items():
        pairs: list[tuple[dict[str, float], dict[str, float]]] = []
        for finished, seed in itertools.product(files, seeds):
            both = Run(overrides, copies, seed), Run(baseline, copies, seed)
            if finished.keys() >= set(both):
                pair = finished[both[0]], finished[both[1]]
                if pair not in pairs:  # two files can have the same run
                    pairs.append(pair)
        if not pairs:
            continue
        cells = [f"{mean(pair[i]['mAP'] for pair in pairs):.3f}" for i in (1, 0)]
        for figure in ("mAP", "adjusted_rand_index"):
            differences = [refined[figure] - plain[figure] for refined, plain in pairs]
            cells.append(f"{mean(differences):+.3f}")
            if len(pairs) > 1:
                cells[-1] += f" ± {stdev(differences) / math.sqrt(len(pairs)):.3f}"
        print(f"| {label} | {len(pairs)} | {' | '.join(cells)} |")


def main() -> None:
    """Make missing runs if asked to, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", nargs="?", choices=("run", "print"), default="print")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="which seeds")
    numbers = range(1, len(STUDIES) + 1)
    parser.add_argument("--studies", type=int, nargs="+", choices=numbers, default=numbers)
    parser.add_argument("--results", type=Path, default=RESULTS, help="file of the runs made")
    arguments = parser.parse_args()
    studies = [STUDIES[number - 1] for number in arguments.studies]
    if arguments.action == "run":
        make_missing(studies, arguments.seeds, arguments.results.resolve())
    files = [finished_runs(file) for file in sorted(RESULTS.parent.glob(ALL_RESULTS))]
    for study in studies:
        print_study(study, files, arguments.seeds)


if __name__ == "__main__":
    main()
