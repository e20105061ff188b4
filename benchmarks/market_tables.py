"""The tables and curves of the runs on Market-1501, from the CSV files of benchmarks/market.py."""

import csv
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

from benchmarks.measuring import table


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
    Run("PPLR, balanced smoothing", 1),
    Run("PPLR, balanced smoothing", 2),
)


LOSSES = ("part_loss", "global_loss", "triplet_loss", "camera_loss")
COLUMNS = (
    *Run._fields,
    *("alternation", "clusters", "outliers", "adjusted_rand_index", "stability"),
    *("agreement", "agreement_1", "agreement_2", "agreement_3", *LOSSES, "lr"),
    *("mAP", "rank1", "rank5", "rank10", "num_valid_queries", "settings", "processor"),
)
LABEL_COLUMNS = (*Run._fields, "alternation", "figure", "of", "value")


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


def print_tables(rows: list[dict[str, str]], labels: list[dict[str, str]]) -> None:
    """Print every table, in Markdown."""
    print_runs(rows)
    for refined in ("PPLR", "PPLR, balanced smoothing", "+ AALS", "+ PGLR"):
        print_differences(rows, refined, "Baseline 1")
    print_differences(rows, "PPLR, cameras", "Baseline 2 (cameras)")
    names = evaluated_names(rows)[1:]
    print_labels(labels, names)
    for name in (names[0], names[-1]):
        print_deciles(labels, name)


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
    columns += LOSSES
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
    names = [
        "init",
        *(f"{epoch:02d}" for epoch in range(len({r["alternation"] for r in rows}) - 1)),
    ]
    for axis in axes[1]:
        axis.set_xlabel("model after alternation; labels and agreement of alternation")
        shown_names = [*range(0, len(names), max(1, len(names) // 6))]
        axis.set_xticks([place - 1 for place in shown_names], [names[i] for i in shown_names])
    handles, labelled = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labelled, loc="outside lower center", ncols=4)
    figure.savefig(file, dpi=110, metadata={"Software": None})
