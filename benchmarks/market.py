"""The paper's experiment on Market-1501, at the size that two cores afford.

Usage: python -m benchmarks.market [run --data-dir PATH --weights FILE [--results FOLDER]]

`run` makes the runs that market.csv lacks, one after another, by `dvc repro` in this clone, whose
params.yaml and schedule.yaml it writes: so run it in a clone of its own. Stopped at any time, it
goes on from DVC's cache. Each finished run is added to market.csv and market_labels.csv in
`--results` at once. Without `run`, the tables are printed in Markdown and the curves are drawn.
"""

import argparse
import csv
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from sklearn.metrics import adjusted_rand_score

from benchmarks.ablation import ROWS
from benchmarks.label_quality import Figure, agreement_figures, predict, prediction_figures
from benchmarks.measuring import table
from pplr.network.checkpoint import read_model
from pplr.settings.configure import make_settings
from pplr.settings.schedule import load_schedule, make_schedule
from pplr.settings.writing import format_params, format_schedule
from pplr.storage.arrays import read_arrays
from pplr.storage.images import PackedImages
from pplr.storage.layout import ModelFiles, RunPaths

HERE = Path(__file__).parent
PATHS = RunPaths()  # of this clone, in which it runs
EPOCHS, EVALUATE_EVERY = 20, 4
# The paper's settings but for the backbone, the size, and a schedule at a fifth of its length.
SCALED = {
    "backbone": "mobilenet_v2",
    "height": 128,
    "width": 64,
    "iterations": 200,
    "aals_epoch": 2,
    "lr_step": 8,
}


class Run(NamedTuple):
    """One run: a row of the ablation table, and its seed."""

    row: str
    seed: int


RUNS = (
    Run("Baseline 1", 1),
    Run("PPLR", 1),
    Run("Baseline 1", 2),
    Run("PPLR", 2),
    Run("+ AALS", 1),
    Run("+ PGLR", 1),
    Run("Baseline 2 (cameras)", 1),
    Run("PPLR, cameras", 1),
)


# --- runs ----------------------------------------------------------------------------------


def overrides(run: Run, weights: Path) -> dict[str, Any]:
    """Return what a run's settings are beside the preset of Market-1501."""
    return {**SCALED, **ROWS[run.row], "seed": run.seed, "weights": weights}


def write_settings(run: Run, data_dir: Path, weights: Path) -> None:
    """Write params.yaml and schedule.yaml of a run into the current folder."""
    words = [f"{key}={str(value).lower()}" for key, value in overrides(run, weights).items()]
    words[-1] = f"weights={weights}"  # a path keeps its case
    cameras = bool(ROWS[run.row]["camera_aware"])
    made = make_settings("market1501", data_dir, epochs=EPOCHS, cameras=cameras, overrides=words)
    schedule = make_schedule(epochs=EPOCHS, evaluate_every=EVALUATE_EVERY, **made.schedule.inputs)
    PATHS.params.write_text(format_params(made.params))
    PATHS.schedule.write_text(format_schedule(schedule))


def repro() -> None:
    """Run `dvc repro` with this environment's python; end where it fails."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    code = subprocess.run(["dvc", "repro"], env={**os.environ, "PATH": path}, check=False)
    if code.returncode:
        sys.exit("`dvc repro` ended with an error; mend it and call this again")


def history_rows() -> list[dict[str, str]]:
    """Return the history, each row with its `stability`.

    That is the adjusted Rand index of the labels and those of the alternation before, of images
    that are in a cluster both times: it needs no identities.
    """
    with PATHS.history.open(newline="") as file:
        rows = list(csv.DictReader(file))
    before = None
    for row in rows:
        row["stability"] = ""
        if row["clusters"]:
            path = PATHS.arrays(row["alternation"], "clusters")
            (labels,) = read_arrays(path, "pseudo_labels")
            if before is not None:
                both = (before >= 0) & (labels >= 0)
                row["stability"] = f"{adjusted_rand_score(before[both], labels[both]):.4f}"
            before = labels
    return rows


def label_rows(names: Iterable[str], evaluated: Iterable[str]) -> list[dict[str, Any]]:
    """Return the figures of labels of every alternation, and of predictions where evaluated."""
    train = PATHS.split("train")
    (pids,) = read_arrays(train, "pids")
    rows = []
    for name in names:
        (labels,) = read_arrays(PATHS.arrays(name, "clusters"), "pseudo_labels")
        (agreement,) = read_arrays(PATHS.arrays(name, "agreement"), "cross_agreement")
        figures: list[Figure] = agreement_figures(agreement, labels, pids)
        if name in evaluated:
            folder = PATHS.model(name)
            classifiers = load_file(ModelFiles(folder).classifiers)["classifiers"]
            logits = predict(read_model(folder), classifiers, PackedImages(train))
            figures += prediction_figures(logits, labels, agreement, pids)
        rows += [
            {"alternation": name, **figure._asdict(), "value": f"{figure.value:.4f}"}
            for figure in figures
        ]
    return rows


def append(file: Path, run: Run, rows: list[dict[str, Any]]) -> None:
    """Add rows to a CSV in one write, each with the run it is of."""
    columns = [*Run._fields, *rows[0]]
    new = not file.exists()
    with file.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n", extrasaction="raise")
        if new:
            writer.writeheader()
        writer.writerows({**run._asdict(), **row} for row in rows)


def make_missing(data_dir: Path, weights: Path, results: Path) -> None:
    """Make the runs that the results lack."""
    for run in RUNS:
        if run in finished(results):
            continue
        write_settings(run, data_dir.resolve(), weights.resolve())
        repro()
        schedule = load_schedule(PATHS.schedule)
        chosen = overrides(run, Path(weights.name))
        where = {
            "settings": " ".join(f"{key}={value}" for key, value in chosen.items()),
            "processor": torch.backends.cpu.get_cpu_capability(),
        }
        rows = history_rows()
        labels = label_rows(schedule.alternations, schedule.evaluated)
        append(results / "market_labels.csv", run, labels)
        append(results / "market.csv", run, [{**row, **where} for row in rows])
        print(*run, rows[-1]["mAP"], file=sys.stderr, flush=True)


# --- tables --------------------------------------------------------------------------------


def read(file: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV; none where there is no file."""
    if not file.exists():
        return []
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def finished(results: Path) -> set[Run]:
    """Return the runs that are in the results."""
    return {Run(row["row"], int(row["seed"])) for row in read(results / "market.csv")}


def select(rows: list[dict[str, str]], **wanted: str) -> list[dict[str, str]]:
    """Return the rows that have these values."""
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def of_run(rows: list[dict[str, str]], run: Run) -> dict[str, dict[str, str]]:
    """Return the rows of a run by alternation."""
    chosen = select(rows, row=run.row, seed=str(run.seed))
    return {row["alternation"]: row for row in chosen}


def evaluated_names(rows: list[dict[str, str]]) -> list[str]:
    """Return the names of the models that were evaluated, in their order."""
    return list(dict.fromkeys(row["alternation"] for row in rows if row["mAP"]))


def print_runs(rows: list[dict[str, str]]) -> None:
    """Print mAP and Rank-1 by model, then what the clusters look like."""
    names = evaluated_names(rows)
    runs = [run for run in RUNS if of_run(rows, run)]
    lines = [
        f"{run.row}, seed {run.seed} | "
        + " | ".join(
            f"{100 * float(here[n]['mAP']):.1f} / {100 * float(here[n]['rank1']):.1f}"
            for n in names
        )
        for run in runs
        for here in [of_run(rows, run)]
    ]
    table("mAP / Rank-1, %", " | ".join(("model after alternation", *names)), lines)
    columns = ["clusters", "outliers", "adjusted_rand_index", "stability"]
    columns += ["agreement_1", "agreement_2", "agreement_3"]
    columns += ["global_loss", "part_loss", "triplet_loss", "camera_loss"]
    lines = [
        f"{run.row}, seed {run.seed} | {name} | "
        + " | ".join(shown(of_run(rows, run)[name][column]) for column in columns)
        for run in runs
        for name in names[1:]
    ]
    table("Clusters, agreement and losses", " | ".join(("run", "alternation", *columns)), lines)


def shown(value: str) -> str:
    """Return a value of the CSV with three decimals, or as it is."""
    return f"{float(value):.3f}" if "." in value else value


def print_differences(rows: list[dict[str, str]], refined: str, baseline: str) -> None:
    """Print the paired differences of two rows of the ablation, seed by seed."""
    names = evaluated_names(rows)[1:]
    pairs = [
        (of_run(rows, Run(refined, seed)), of_run(rows, Run(baseline, seed)))
        for seed in sorted({run.seed for run in RUNS})
        if of_run(rows, Run(refined, seed)) and of_run(rows, Run(baseline, seed))
    ]
    if not pairs:
        return
    lines = []
    for column in ("mAP", "rank1", "adjusted_rand_index", "clusters", "outliers"):
        cells = []
        for name in names:
            found = [float(a[name][column]) - float(b[name][column]) for a, b in pairs]
            each = ", ".join(f"{value:+.3g}" for value in found)
            error = f" ± {stdev(found) / len(found) ** 0.5:.2g}" if len(found) > 1 else ""
            cells.append(f"{mean(found):+.3g}{error} ({each})")
        lines.append(f"{column} | {' | '.join(cells)}")
    title = f"{refined} less {baseline}: mean ± standard error (by seed), {len(pairs)} pairs"
    table(title, " | ".join(("", *names)), lines)


def print_labels(labels: list[dict[str, str]], names: list[str]) -> None:
    """Print what the agreement tells of labels, and how sharp and right predictions are."""
    for figure, title in (
        ("right", "Share of right labels and of right predictions (likeliest cluster)"),
        ("auc", "AUC of cross agreement against right and wrong labels (0.5 is chance)"),
        ("confidence", "Mean largest probability of the predictions"),
        ("entropy", "Entropy of the predictions, over log C"),
    ):
        lines = [
            f"{run.row}, seed {run.seed} | {of} | "
            + " | ".join(shown(by_name[name]["value"]) if name in by_name else "" for name in names)
            for run in RUNS
            for of in dict.fromkeys(row["of"] for row in select(labels, figure=figure))
            for by_name in [of_run(select(labels, figure=figure, of=of), run)]
            if by_name
        ]
        table(title, " | ".join(("run", "of", *names)), lines)


def print_deciles(labels: list[dict[str, str]], name: str) -> None:
    """Print labels and the parts' predictions by decile of agreement, of one alternation."""
    figures = ("agreement", "labels", "right", "mass")
    lines = [
        f"{run.row}, seed {run.seed} | {figure} | "
        + " | ".join(shown(row["value"]) for row in sorted(cells, key=lambda row: int(row["of"])))
        for run in RUNS
        for figure in figures
        for cells in [
            select(
                labels,
                row=run.row,
                seed=str(run.seed),
                figure=f"decile {figure}",
                alternation=name,
            )
        ]
        if cells
    ]
    table(
        f"By decile of agreement, alternation {name}: share of right pseudo-labels, share of right"
        " predictions and mean mass on right clusters of the parts' ensemble",
        " | ".join(("run", "", *map(str, range(1, 11)))),
        lines,
    )


def draw(rows: list[dict[str, str]], labels: list[dict[str, str]], file: Path) -> None:
    """Draw mAP, Rand index, outliers and the agreement's AUC over the alternations."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(11, 7.5), sharex=True, layout="constrained")
    auc = select(labels, figure="auc", of="mean")
    panels = (
        ("mAP, %", rows, "mAP", 100.0),
        ("Adjusted Rand index of the labels", rows, "adjusted_rand_index", 1.0),
        ("Outliers", rows, "outliers", 1.0),
        ("AUC: agreement tells right from wrong labels", auc, "value", 1.0),
    )
    colours = {row: f"C{i}" for i, row in enumerate(dict.fromkeys(run.row for run in RUNS))}
    for axis, (title, source, column, scale) in zip(axes.flat, panels, strict=True):
        for run in RUNS:
            points = [
                (-1 if name == "init" else int(name), scale * float(row[column]))
                for name, row in of_run(source, run).items()
                if row[column]
            ]
            if points:
                style = "-" if run.seed == 1 else "--"
                label = f"{run.row}, seed {run.seed}"
                axis.plot(*zip(*points, strict=True), style, color=colours[run.row], label=label)
        axis.set_title(title)
        axis.grid(alpha=0.3)
    for axis in axes[1]:
        axis.set_xlabel("alternation")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4)
    figure.savefig(file, dpi=110, metadata={"Software": None})


def main() -> None:
    """Make missing runs if asked to, and print the tables and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", nargs="?", choices=("run", "print"), default="print")
    parser.add_argument("--data-dir", type=Path, help="Market-1501's folder")
    parser.add_argument("--weights", type=Path, help="torchvision's mobilenet_v2, a state dict")
    parser.add_argument("--results", type=Path, default=HERE, help="folder of the CSV files")
    arguments = parser.parse_args()
    results = arguments.results.resolve()
    if arguments.action == "run":
        if arguments.data_dir is None or arguments.weights is None:
            parser.error("run needs --data-dir and --weights")
        make_missing(arguments.data_dir, arguments.weights, results)
    rows, labels = read(results / "market.csv"), read(results / "market_labels.csv")
    if not rows:
        sys.exit("no run is finished yet")
    print_runs(rows)
    for refined in ("PPLR", "+ AALS", "+ PGLR"):
        print_differences(rows, refined, "Baseline 1")
    print_differences(rows, "PPLR, cameras", "Baseline 2 (cameras)")
    names = evaluated_names(rows)[1:]
    print_labels(labels, names)
    for name in (names[0], names[-1]):
        print_deciles(labels, name)
    draw(rows, labels, results / "market.png")


if __name__ == "__main__":
    main()
