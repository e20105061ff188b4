"""Comparisons in words and tables, for people and for machines."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pplr.runs.compare import MEASURES, Beyond, Comparison
from pplr.runs.progress import aligned

# What the table of a comparison shows; all measures stand in the JSON.
COLUMNS = {
    "pixels": "pixels",
    "features": "features",
    "rand_index": "ARI",
    "split": "split",
    "merged": "merged",
    "overlap": "overlap",
    "agreement": "agreement",
    "losses": "losses",
    "weights": "weights",
    "mAP": "mAP",
    "rank1": "Rank-1",
}


def format_comparison(comparison: Comparison, too_far: Sequence[Beyond]) -> str:
    """Return a comparison in plain text: a table of runs or a list, and the verdict."""
    if len(comparison.rows) == 1:
        ((_, measures),) = comparison.rows.items()
        words = {
            MEASURES[name].description: measures[name] for name in MEASURES if name in measures
        }
        width = max(map(len, words), default=0)
        text = "\n".join(f"{what:<{width}}  {_number(value)}" for what, value in words.items())
    else:
        shown = [name for name in COLUMNS if any(name in row for row in comparison.rows.values())]
        table = [["", *(COLUMNS[name] for name in shown)]]
        for row, measures in comparison.rows.items():
            cells = [_number(measures[name]) if name in measures else "" for name in shown]
            table.append([row, *cells])
        text = aligned(table)
    notes = [f"not compared: {reason}" for reason in comparison.not_compared]
    return "\n".join([text, "", *notes, _verdict(too_far, comparison)])


def comparison_as_json(comparison: Comparison, too_far: Sequence[Beyond]) -> dict[str, Any]:
    """Return a comparison in what JSON can hold."""
    return {
        "rows": comparison.rows,
        "beyond": [asdict(one) for one in too_far],
        "not_compared": comparison.not_compared,
    }


def _verdict(too_far: Sequence[Beyond], comparison: Comparison) -> str:
    if too_far:
        first = too_far[0]
        piece = MEASURES[first.measure].piece
        return (
            f"beyond what is allowed: {len(too_far)} measures; the first, in the {piece} of "
            f"{first.row}: {first.measure} {_number(first.value)}, allowed {_number(first.allowed)}"
        )
    if not comparison.rows:
        return "nothing could be compared"
    same = all(
        value == MEASURES[name].same
        for measures in comparison.rows.values()
        for name, value in measures.items()
    )
    words = "the same" if same else "within the tolerances"
    return f"what could be compared is {words}" if comparison.not_compared else words


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3g}"
