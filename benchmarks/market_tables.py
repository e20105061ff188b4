"""The tables of the runs on Market-1501, from the CSV files of benchmarks/market.py."""

import csv
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

from benchmarks.measuring import table


class Run(NamedTuple):
    """One run: a row of the ablation table, and its seed."""

    row: str
    seed: int


Values = dict[tuple[Run, str, str], float]  # by run, alternation and figure
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


FIGURES = (
    *("clusters", "outliers", "adjusted_rand_index", "stability"),
    *("agreement", "agreement_1", "agreement_2", "agreement_3"),
    *("part_loss", "global_loss", "triplet_loss", "camera_loss", "lr"),
    *("mAP", "rank1", "rank5", "rank10"),
)
COLUMNS = (
    *Run._fields,
    *("alternation", *FIGURES, "num_valid_queries", "settings", "processor", "commit"),
)
LABEL_COLUMNS = (*Run._fields, "alternation", "figure", "of", "value")


class Results(NamedTuple):
    """What is known of the runs of a file: every figure, which models were evaluated, and where.

    A figure's name is a column of market.csv, a figure of market_labels.csv with what it is of
    (`auc part 1`), or `images right`: how many images have a right label.
    """

    values: Values
    evaluated: tuple[str, ...]
    processors: dict[Run, str]


def read(file: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV; none where there is no file."""
    if not file.exists():
        return []
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def run_of(row: dict[str, str]) -> Run:
    """Return the run that a row of a CSV is of."""
    return Run(row["row"], int(row["seed"]))


def finished(results: Path) -> set[Run]:
    """Return the runs that are in the results."""
    return {run_of(row) for row in read(results / "market.csv")}


# Tables with a column for each model that was evaluated, by the figures that a cell has, which are
# named as in `Results`.
COURSES: dict[str, tuple[str, ...]] = {
    "mAP / Rank-1, %, of the model after an alternation": ("mAP", "rank1"),
    "AUC of agreement by part against right and wrong labels (0.5 is chance), of an alternation": (
        *("auc part 1", "auc part 2", "auc part 3"),
    ),
}
# Tables with a column for each heading, of one alternation early and of the last.
TABLES: dict[str, dict[str, tuple[str, ...]]] = {
    "Pseudo-labels": {
        "clusters": ("clusters",),
        "outliers": ("outliers",),
        "ARI": ("adjusted_rand_index",),
        "stability": ("stability",),
        "right, % of those in a cluster": ("right pseudo-labels",),
        "images with a right label": ("images right",),
    },
    "Cross agreement by part, and the AUC of its mean": {
        "agreement": ("agreement_1", "agreement_2", "agreement_3"),
        "AUC, mean over parts": ("auc mean",),
    },
    "What the epoch trained on: the refined labels, %": {
        "class of most weight is right": ("refined right all",),
        "weight on right clusters": ("refined all",),
        "of right pseudo-labels": ("refined right",),
        "of wrong ones": ("refined wrong",),
        "on the pseudo-label itself": ("refined label",),
        "on all three classes": ("refined kept",),
    },
    "Predictions": {
        "largest probability, global": ("confidence global",),
        "of the parts' ensemble": ("confidence parts",),
        "of each part": ("confidence part 1", "confidence part 2", "confidence part 3"),
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
    "refined": "Refined weight of wrong labels on right clusters, %,",
}
DIFFERENCES = {  # decimals of each, those of shares in percent
    "mAP": 1,
    "rank1": 1,
    "right pseudo-labels": 1,
    "images right": 0,
    "outliers": 0,
    "clusters": 0,
    "adjusted_rand_index": 3,
    "auc mean": 3,
}
PAIRS = (
    *((refined, "Baseline 1") for refined in ("PPLR", "PPLR, balanced smoothing")),
    *((refined, "Baseline 1") for refined in ("+ AALS", "+ PGLR")),
    ("PPLR, balanced smoothing", "PPLR"),
    ("PPLR, cameras", "Baseline 2 (cameras)"),
)
COUNTS = ("clusters", "outliers", "images right")
IMAGES = 12_936  # Market-1501's training images


def gather(rows: list[dict[str, str]], labels: list[dict[str, str]]) -> Results:
    """Return what the rows of market.csv and of market_labels.csv say."""
    values = {
        (run_of(row), row["alternation"], figure): float(row[figure])
        for row in rows
        for figure in FIGURES
        if row.get(figure)
    }
    processors = {run_of(row): row["processor"] for row in rows}
    for row in labels:
        run, name = run_of(row), row["alternation"]
        if run not in processors:  # a run whose rows are being written
            continue
        values[run, name, f"{row['figure']} {row['of']}"] = float(row["value"])
        if (row["figure"], row["of"]) == ("right", "pseudo-labels"):
            clustered = IMAGES - values[run, name, "outliers"]
            values[run, name, "images right"] = float(row["value"]) * clustered
    return Results(
        values,
        tuple(dict.fromkeys(row["alternation"] for row in rows if row["mAP"])),
        processors,
    )


def joined(values: Values, row: str, name: str, figures: tuple[str, ...]) -> str:
    """Return a cell: figures with slashes between them, and dots between a row's seeds.

    A run that is not finished is a dash beside those that are.
    """
    found = [
        " / ".join(shown(figure, values[run, name, figure]) for figure in figures)
        if (run, name, figures[0]) in values
        else "–"
        for run in RUNS
        if run.row == row
    ]
    return " · ".join(found) if set(found) != {"–"} else ""


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
        (
            *("mAP", "rank1", "right ", "mass ", "refined "),
            *("decile labels", "decile right", "decile mass", "decile refined"),
        )
    )


def print_rows(title: str, heads: tuple[str, ...], rows: dict[str, list[str]]) -> None:
    """Print a table of rows by what they are of, of those that have a figure."""
    lines = [" | ".join((name, *cells)) for name, cells in rows.items() if any(cells)]
    if lines:
        table(title, " | ".join(heads), lines)


def print_tables(found: Results, others: Results) -> None:
    """Print every table, in Markdown; a cell has a row's runs in the order of their seeds.

    Parameters
    ----------
    found
        The runs that the tables are of.
    others
        Runs on another processor, of which only the paired differences are shown.
    """
    values = found.values
    shown_rows = dict.fromkeys(run.row for run in RUNS if run in found.processors)
    early, last = found.evaluated[:3][-1], found.evaluated[-1]  # the second after init
    for title, figures in COURSES.items():
        known = {name for _, name, figure in values if figure == figures[0]}
        names = [name for name in found.evaluated if name in known]
        courses = {row: [joined(values, row, n, figures) for n in names] for row in shown_rows}
        print_rows(title, ("", *names), courses)
    for title, columns in TABLES.items():
        cells = {
            f"{name} | {row}": [joined(values, row, name, figures) for figures in columns.values()]
            for name in dict.fromkeys((early, last))
            for row in shown_rows
        }
        print_rows(title, ("alternation", "", *columns), cells)
    for figure, title in DECILES.items():
        tenths = [f"decile {figure} {tenth}" for tenth in range(1, 11)]
        deciles = {row: [joined(values, row, last, (of,)) for of in tenths] for row in shown_rows}
        heads = ("", *(str(tenth) for tenth in range(1, 11)))
        print_rows(f"{title} by tenth of agreement, after {last}", heads, deciles)
    for refined, baseline in PAIRS:
        print_differences((found, others), refined, baseline)


def print_differences(files: tuple[Results, ...], refined: str, baseline: str) -> None:
    """Print the paired differences of two rows of the ablation: pairs of one seed and file."""
    pairs = [
        (found, Run(refined, seed), Run(baseline, seed))
        for found in files
        for seed in (1, 2)
        if {Run(refined, seed), Run(baseline, seed)} <= found.processors.keys()
    ]
    if not pairs:
        return
    names = files[0].evaluated[1:]
    rows = {}
    for figure, decimals in DIFFERENCES.items():
        scale = 100 if is_share(figure) else 1
        rows[figure] = [
            spread(
                [
                    scale * (found.values[a, name, figure] - found.values[b, name, figure])
                    if (a, name, figure) in found.values and (b, name, figure) in found.values
                    else None
                    for found, a, b in pairs
                ],
                decimals,
            )
            for name in names
        ]
    places = [dict.fromkeys(found.processors[run] for run in both) for found, *both in pairs]
    ran = [
        f"seed {run.seed}, {' less '.join(place)}"
        for (_, run, _), place in zip(pairs, places, strict=True)
    ]
    title = f"{refined} less {baseline}: mean ± its standard error (pairs: {'; '.join(ran)})"
    print_rows(title, ("", *names), rows)


def spread(differences: list[float | None], decimals: int) -> str:
    """Return a mean with its standard error and the differences; a missing one is a dash."""
    known = [value for value in differences if value is not None]
    each = [f"{value:+.{decimals}f}" if value is not None else "–" for value in differences]
    if len(known) < 2:
        return ", ".join(each) if known else ""
    error = stdev(known) / len(known) ** 0.5
    return f"{mean(known):+.{decimals}f} ± {error:.{decimals}f} ({', '.join(each)})"
