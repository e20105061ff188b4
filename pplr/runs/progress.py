"""How far a run is, and its history as a table: words for people, that no stage depends on."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pplr.errors import MissingInputError
from pplr.runs.checks import check_table
from pplr.runs.history import STEPS, Row, format_csv, steps_done
from pplr.settings.schedule import INIT, Schedule
from pplr.settings.tracking import md5_of
from pplr.storage.arrays import read_digest
from pplr.storage.checks import damaged
from pplr.storage.layout import RunPaths

# by the last of its steps that an alternation has gone
WORDS = {
    "features": "features extracted, not clustered",
    "clusters": "clustered, agreement not computed",
    "agreement": "agreement computed, not trained",
}


def how_far(paths: RunPaths, schedule: Schedule, rows: Sequence[Row]) -> str | None:
    """Return in words how far a run is, of whose history these are the rows; None once finished."""
    unfinished = what_is_missing(paths, schedule)
    if unfinished is None and _read(paths.history) != format_csv(rows).encode():
        return "every alternation is there, not summarized"
    return unfinished


def check_finished(paths: RunPaths, schedule: Schedule) -> None:
    """Raise a MissingInputError where an alternation or an evaluation is missing."""
    unfinished = what_is_missing(paths, schedule)
    if unfinished is not None:
        raise MissingInputError(
            what="The run is not finished.",
            where=str(paths.data),
            value=unfinished,
            allowed="every alternation and every evaluation of the schedule",
            next_step="run `dvc repro`, which goes on",
        )


def what_is_missing(paths: RunPaths, schedule: Schedule) -> str | None:
    """Return in words how far alternations and evaluations are; None where none is missing."""
    train = paths.split("train")
    if not train.is_dir():
        return "the images are not prepared"
    digest = read_digest(train)
    before = INIT
    names = list(schedule.alternations)
    for number, name in enumerate(names, start=1):
        done = steps_done(paths, name, digest)
        if done == STEPS:
            before = f"alternation {name} ({number} of {len(names)})"
            continue
        if done:
            return f"alternation {name} ({number} of {len(names)}): {WORDS[done[-1]]}"
        last = names[number - 2] if number > 1 else INIT
        return f"{before}: {_model_words(paths, schedule, last)}"
    missing = [name for name in schedule.evaluated if not paths.evaluation(name).is_file()]
    if missing in ([], [schedule.last]):
        return f"{before}: trained, not evaluated" if missing else None
    return f"{before}: trained; not evaluated: {', '.join(missing)}"


def _model_words(paths: RunPaths, schedule: Schedule, name: str) -> str:
    if name == INIT and not paths.model(INIT).is_dir():
        return "not made"
    words = "made" if name == INIT else "trained"
    if name not in schedule.evaluated:
        return words
    return f"{words}, {'' if paths.evaluation(name).is_file() else 'not '}evaluated"


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


# --- the table -----------------------------------------------------------------------------


def read_history(path: Path, recorded: str = "") -> list[dict[str, str]]:
    """Return the rows of a history.csv; an empty text where a row has no value.

    Parameters
    ----------
    path
        The file.
    recorded
        The MD5 that dvc.lock records of it; empty where none is known.

    Raises
    ------
    DataError
        It is no such table, or not the one that is recorded.
    """
    if recorded and md5_of(path) != recorded:
        raise damaged(path.name, path, "its content is not what dvc.lock records")
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (ValueError, csv.Error) as error:
        raise damaged(path.name, path, error) from None
    check_table(path, rows)
    return rows


def format_history(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the main columns of a history as a table in plain text."""
    known = dict.fromkeys(name for row in rows for name in row)
    parts = [name for name in known if name.startswith("agreement_")]
    shares = ["adjusted_rand_index", *parts, "mAP", "rank1"]
    columns = ["alternation", "clusters", "outliers", *shares]
    titles = {"adjusted_rand_index": "ARI", "rank1": "Rank-1"}
    table = [[titles.get(name, name.replace("_", " ")) for name in columns]]
    for row in rows:
        cells = [str(row.get(name, "")) for name in columns[:3]]
        table.append(cells + [_share(row.get(name)) for name in shares])
    return aligned(table)


def aligned(table: Sequence[Sequence[str]]) -> str:
    """Return the cells of a table in columns, on the right of each."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    )


def result_words(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Return in words which row of a finished history is the result, and which would look better.

    The last alternation is the result. The official code reports the best by the mAP of the test
    images, which is a choice by test labels; it is named beside it where it is another.
    """
    evaluated = [row for row in rows if row.get("mAP") not in (None, "")]
    if not evaluated:
        return None
    last = evaluated[-1]
    words = f"The result is the last alternation, {last['alternation']}: {_metrics(last)}."
    best = max(evaluated, key=lambda row: float(row["mAP"]))
    if float(best["mAP"]) > float(last["mAP"]):
        words += f"\nThe best, chosen by test labels and so no result: {best['alternation']}, "
        words += f"{_metrics(best)}."
    return words


def _metrics(row: Mapping[str, Any]) -> str:
    return f"mAP {_share(row['mAP'])}, Rank-1 {_share(row['rank1'])}"


def _share(value: str | float | None) -> str:
    return "" if value is None or value == "" else f"{float(value):.3f}"
