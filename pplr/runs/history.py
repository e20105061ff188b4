"""The history: one row an alternation, for looking at and for plots."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pplr.runs.checks import check_evaluation, check_training
from pplr.settings.schedule import INIT, Schedule
from pplr.storage.arrays import read_arrays, read_digest
from pplr.storage.json_files import read_json
from pplr.storage.layout import RunPaths

Row = dict[str, str | int | float | None]

# What an alternation writes, in this order. DVC removes a stage's outputs before it runs the stage:
# so what lies behind a gap was left by an earlier run and is none of this one. Between two stages
# of a rerun there is no gap, and the rows of the earlier run are there until the next one starts.
STEPS = ("features", "clusters", "agreement", "training")


def history_rows(paths: RunPaths, schedule: Schedule) -> list[Row]:
    """Return a row for init and one for each alternation, as far as the run is.

    A row has `alternation`, what `clustering_row` says, the losses, the learning rate and the
    metrics. It lacks what is not done yet, and the last row is the first that does.
    """
    train = paths.split("train")
    if not train.is_dir():
        return []
    digest = read_digest(train)
    (pids,) = read_arrays(train, "pids")
    rows: list[Row] = [{"alternation": INIT, **_evaluation(paths, schedule, INIT)}]
    for name in schedule.alternations:
        done = steps_done(paths, name, digest)
        if not done:
            break
        row: Row = {"alternation": name}
        if "clusters" in done:
            (labels,) = read_arrays(paths.arrays(name, "clusters"), "pseudo_labels")
            agreement = None
            if "agreement" in done:
                (agreement,) = read_arrays(paths.arrays(name, "agreement"), "cross_agreement")
            row |= clustering_row(labels, agreement, pids)
        if "training" in done:
            row |= {**read_training(paths.training(name)), **_evaluation(paths, schedule, name)}
        rows.append(row)
        if done != STEPS:
            break
    return rows


def steps_done(paths: RunPaths, name: str, digest: str) -> tuple[str, ...]:
    """Return the first of `STEPS`, up to a gap, that an alternation has for the images of now.

    Parameters
    ----------
    paths
        The run's paths.
    name
        The alternation.
    digest
        `table_digest` of the training images.
    """
    done: list[str] = []
    for step in STEPS:
        path = paths.training(name) if step == "training" else paths.arrays(name, step)
        if not path.exists() or (path.is_dir() and read_digest(path) != digest):
            break
        done.append(step)
    return tuple(done)


def _evaluation(paths: RunPaths, schedule: Schedule, name: str) -> Row:
    path = paths.evaluation(name)
    return read_evaluation(path) if name in schedule.evaluated and path.is_file() else {}


def read_training(path: Path) -> dict[str, Any]:
    """Return the losses and the learning rate of an epoch, all of them finite numbers."""
    values = read_json(path)
    check_training(path, values)
    return values


def read_evaluation(path: Path) -> dict[str, Any]:
    """Return the metrics of a model, all of them fractions or None."""
    values = read_json(path)
    check_evaluation(path, values)
    return values


def clustering_row(
    pseudo_labels: NDArray[np.int32],
    agreement: NDArray[np.float32] | None,
    pids: NDArray[np.int32],
) -> Row:
    """Return what an alternation's clustering looks like.

    Parameters
    ----------
    pseudo_labels
        (N,) int32, -1 for outliers.
    agreement
        (N,P) in [0,1]; None where it is not computed yet, and has no columns.
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
    if agreement is not None:
        means = agreement.mean(axis=0, dtype=np.float64)
        row["agreement"] = float(agreement.mean(dtype=np.float64))
        row |= {f"agreement_{p}": float(mean) for p, mean in enumerate(means, start=1)}
    known = pids >= 0
    index = adjusted_rand_index(pseudo_labels[known], pids[known]) if known.any() else None
    row["adjusted_rand_index"] = index
    return row


def adjusted_rand_index(pseudo_labels: NDArray[np.int32], pids: NDArray[np.int32]) -> float:
    """Return the adjusted Rand index, at most 1; every outlier counts as a cluster of its own.

    Hubert and Arabie, 1985. It is scikit-learn's `adjusted_rand_score` to the last digit, whose
    import would take longer than all else that shows a run.

    Parameters
    ----------
    pseudo_labels
        (N,) int32, -1 for outliers.
    pids
        (N,) int32 true identities, or other pseudo-labels.
    """
    N = len(pids)
    a, b = (np.unique(outliers_alone(one), return_inverse=True)[1] for one in (pids, pseudo_labels))
    # Ordered pairs of images: Python's integers, for their products are beyond those of NumPy.
    together = _pairs(a * N + b)  # in one cluster of either
    only_a, only_b = _pairs(a) - together, _pairs(b) - together
    both, neither = together - N, N**2 - together - only_a - only_b
    if only_a == only_b == 0:  # equal, all alone or all together included
        return 1.0
    scale = (both + only_a) * (only_a + neither) + (both + only_b) * (only_b + neither)
    return 2.0 * (both * neither - only_a * only_b) / scale


def _pairs(clusters: NDArray[np.int64]) -> int:
    """Return how many ordered pairs are in one cluster, each with itself included."""
    _, sizes = np.unique(clusters, return_counts=True)
    return int((sizes.astype(np.int64) ** 2).sum())


def outliers_alone(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return labels (N,) with a cluster of its own for each outlier, which was -1."""
    alone = labels.astype(np.int64)
    outliers = np.flatnonzero(alone < 0)
    alone[outliers] = alone.max(initial=-1) + 1 + np.arange(len(outliers))
    return alone


def format_csv(rows: Sequence[Row]) -> str:
    """Return rows as CSV, `alternation` first; a row has no value in the columns it lacks."""
    columns = list(dict.fromkeys(name for row in reversed(rows) for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
