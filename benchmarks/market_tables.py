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


# The columns of each table: the figures that a cell has, named as in `read_values`.
TABLES: dict[str, dict[str, tuple[str, ...]]] = {
    "Pseudo-labels": {
        "clusters": ("clusters",),
        "outliers": ("outliers",),
        "Rand index": ("adjusted_rand_index",),
        "stability": ("stability",),
        "right, % of those in a cluster": ("right pseudo-labels",),
        "images with a right label": ("images right",),
    },
    "Cross agreement by part, and its AUC against right and wrong labels (0.5 is chance)": {
        "agreement": ("agreement_1", "agreement_2", "agreement_3"),
        "AUC, mean over parts": ("auc mean",),
        "AUC by part": ("auc part 1", "auc part 2", "auc part 3"),
    },
    "Predictions": {
        "largest probability, global": ("confidence global",),
        "of the parts' ensemble": ("confidence parts",),
        "right by the global classifier, %": ("right global",),
        "by the ensemble": ("right parts",),
        "its probability of right clusters, %": ("mass parts",),
        "by part": ("right part 1", "right part 2", "right part 3"),
    },
    "Losses": {
        "parts": ("part_loss",),
        "global": ("global_loss",),
        "triplet": ("triplet_loss",),
        "cameras": ("camera_loss",),
    },
}
DECILES = {
    "agreement": "Mean agreement",
    "labels": "Right pseudo-labels, %,",
    "right": "Right by the parts' ensemble, %,",
    "mass": "Its probability of right clusters, %,",
}
DIFFERENCES = {  # decimals of each
    **dict.fromkeys(("mAP", "rank1", "right pseudo-labels"), 1),  # of percent
    **{"images right": 0, "outliers": 0, "clusters": 0, "adjusted_rand_index": 3, "auc mean": 3},
}
COUNTS = ("clusters", "outliers", "images right")
IMAGES = 12_936  # Market-1501's training images
Values = dict[tuple[Run, str, str], float]


def read_values(rows: list[dict[str, str]], labels: list[dict[str, str]]) -> Values:
    """Return what is known by run, alternation and name.

    A name is a column of market.csv, a figure of market_labels.csv with what it is of
    (`auc part 1`), or `images right`: how many images have a right label.
    """
    values = {
        (Run(row["row"], int(row["seed"])), row["alternation"], column): row[column]
        for row in rows
        for column in COLUMNS[len(Run._fields) + 1 : COLUMNS.index("num_valid_queries")]
        if row[column]
    }
    values |= {
        (
            Run(row["row"], int(row["seed"])),
            row["alternation"],
            f"{row['figure']} {row['of']}",
        ): row["value"]
        for row in labels
    }
    found = {key: float(value) for key, value in values.items()}
    for (run, name, figure), share in list(found.items()):
        if figure == "right pseudo-labels":
            found[run, name, "images right"] = share * (IMAGES - found[run, name, "outliers"])
    return found


def joined(values: Values, row: str, name: str, figures: tuple[str, ...]) -> str:
    """Return a cell: figures with slashes between them, and dots between a row's seeds."""
    return " · ".join(
        " / ".join(shown(figure, values[run, name, figure]) for figure in figures)
        for run in RUNS
        if run.row == row and (run, name, figures[0]) in values
    )


def shown(figure: str, value: float) -> str:
    """Return a figure as tables have it."""
    if figure in COUNTS:
        return f"{value:,.0f}"
    if is_share(figure):
        return f"{100 * value:.{0 if figure.startswith('decile') else 1}f}"
    return f"{value:.3f}" if figure == "adjusted_rand_index" else f"{value:.2f}"


def is_share(figure: str) -> bool:
    """Return whether a figure is shown in percent."""
    return figure.startswith(
        ("mAP", "rank1", "right ", "mass ", "decile labels", "decile right", "decile mass")
    )


def print_tables(rows: list[dict[str, str]], labels: list[dict[str, str]]) -> None:
    """Print every table, in Markdown; a cell has a row's runs in the order of their seeds."""
    values = read_values(rows, labels)
    names = evaluated_names(rows)
    clustered = names[1:]
    present = list(dict.fromkeys(row["row"] for row in rows))
    shown_rows = [row for row in dict.fromkeys(run.row for run in RUNS) if row in present]
    lines = [
        f"{row} | " + " | ".join(joined(values, row, name, ("mAP", "rank1")) for name in names)
        for row in shown_rows
    ]
    table("mAP / Rank-1, %", " | ".join(("after alternation", *names)), lines)
    for title, columns in TABLES.items():
        lines = [
            f"{name} | {row} | "
            + " | ".join(joined(values, row, name, figures) for figures in columns.values())
            for name in dict.fromkeys((clustered[:2][-1], clustered[-1]))
            for row in shown_rows
        ]
        table(title, " | ".join(("alternation", "", *columns)), lines)
    for figure, title in DECILES.items():
        lines = [
            f"{row} | "
            + " | ".join(
                joined(values, row, clustered[-1], (f"decile {figure} {tenth}",))
                for tenth in range(1, 11)
            )
            for row in shown_rows
        ]
        heads = " | ".join(("", *map(str, range(1, 11))))
        table(f"{title} by tenth of agreement, after {clustered[-1]}", heads, lines)
    for refined in ("PPLR", "PPLR, balanced smoothing", "+ AALS", "+ PGLR"):
        print_differences(values, refined, "Baseline 1", clustered)
    print_differences(values, "PPLR, cameras", "Baseline 2 (cameras)", clustered)


def print_differences(values: Values, refined: str, baseline: str, names: list[str]) -> None:
    """Print the paired differences of two rows of the ablation, seed by seed."""
    seeds = [
        seed
        for seed in sorted({run.seed for run in RUNS})
        if all((Run(row, seed), "init", "mAP") in values for row in (refined, baseline))
    ]
    if not seeds:
        return
    lines = []
    for figure, decimals in DIFFERENCES.items():
        scale = 100 if is_share(figure) else 1
        cells = []
        for name in names:
            pairs = [
                (
                    values.get((Run(refined, seed), name, figure)),
                    values.get((Run(baseline, seed), name, figure)),
                )
                for seed in seeds
            ]
            found = [scale * (a - b) for a, b in pairs if a is not None and b is not None]
            each = ", ".join(f"{value:+.{decimals}f}" for value in found)
            if len(found) > 1:
                error = stdev(found) / len(found) ** 0.5
                each = f"{mean(found):+.{decimals}f} ± {error:.{decimals}f} ({each})"
            cells.append(each)
        lines.append(f"{figure} | {' | '.join(cells)}")
    title = f"{refined} less {baseline}: mean ± its standard error (by seed); pairs: {len(seeds)}"
    table(title, " | ".join(("", *names)), lines)


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
