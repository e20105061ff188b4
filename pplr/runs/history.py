"""The history: one row an alternation, for looking at and for plots."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

Row = dict[str, str | int | float | None]


def clustering_row(
    pseudo_labels: NDArray[np.int32], agreement: NDArray[np.float32], pids: NDArray[np.int32]
) -> Row:
    """Return what an alternation's clustering looks like.

    Parameters
    ----------
    pseudo_labels
        (N,) int32, -1 for outliers.
    agreement
        (N,P) in [0,1].
    pids
        (N,) int32 true identities, for looking only; -1 unknown.

    Returns
    -------
    dict
        `clusters`, `outliers`, `agreement` (mean), `agreement_1` … `agreement_P` (means by part,
        from the top down) and `adjusted_rand_index`, between the pseudo-labels and the identities
        of the images whose identity is known; None where none is.
    """
    row: Row = {
        "clusters": int(pseudo_labels.max(initial=-1)) + 1,
        "outliers": int((pseudo_labels < 0).sum()),
    }
    means = agreement.mean(axis=0, dtype=np.float64)
    row["agreement"] = float(agreement.mean(dtype=np.float64))
    row |= {f"agreement_{p}": float(mean) for p, mean in enumerate(means, start=1)}
    known = pids >= 0
    index = adjusted_rand_index(pseudo_labels[known], pids[known]) if known.any() else None
    row["adjusted_rand_index"] = index
    return row


def adjusted_rand_index(pseudo_labels: NDArray[np.int32], pids: NDArray[np.int32]) -> float:
    """Return the adjusted Rand index, at most 1; every outlier counts as a cluster of its own.

    Parameters
    ----------
    pseudo_labels
        (N,) int32, -1 for outliers.
    pids
        (N,) int32 true identities.
    """
    alone = pseudo_labels.astype(np.int64)
    outliers = np.flatnonzero(alone < 0)
    alone[outliers] = alone.max(initial=-1) + 1 + np.arange(len(outliers))
    return float(adjusted_rand_score(pids, alone))


def write_history(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as CSV, `alternation` first; a row has no value in the columns it lacks."""
    columns = list(dict.fromkeys(name for row in reversed(rows) for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def format_history(path: Path) -> str:
    """Return the main columns of a history.csv as a table in plain text."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    parts = [name for name in rows[0] if name.startswith("agreement_")]
    shares = ["adjusted_rand_index", *parts, "mAP", "rank1"]
    columns = ["alternation", "clusters", "outliers", *shares]
    titles = {"adjusted_rand_index": "Rand index", "rank1": "Rank-1"}
    table = [[titles.get(name, name.replace("_", " ")) for name in columns]]
    for row in rows:
        cells = [row[name] for name in columns[:3]]
        table.append(cells + [f"{float(row[name]):.3f}" if row[name] else "" for name in shares])
    widths = [max(len(line[i]) for line in table) for i in range(len(columns))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    )
