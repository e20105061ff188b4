"""What a search has found, in words and as JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pplr.inference.models import FinishedModel
from pplr.inference.search import Answer, Gallery
from pplr.printing import printable

DISTANCE = "Euclidean distance of features of length 1: 0 is the same, 2 the opposite"


def answer_words(answer: Answer, gallery: Gallery) -> str:
    """Return the nearest of a query as a table, or that nothing is near."""
    query, among = printable(answer.query), f"{len(gallery)} images of {printable(gallery.folder)}"
    if not answer.matches:
        nearest = answer.nearest[0]
        return (
            f"{query}: {nothing_near(answer)} among {among}\n"
            f"  the nearest is {printable(nearest.path)}, at {nearest.distance:.3f}"
        )
    lines = [f"{query}: the nearest among {among}", "rank  distance  image"]
    for rank, match in enumerate(answer.matches, start=1):
        lines.append(f"{rank:4}  {match.distance:8.3f}  {printable(match.path)}")
    return "\n".join(lines)


def nothing_near(answer: Answer) -> str:
    """Return that nothing is within the largest distance."""
    return f"nothing nearer than {answer.max_distance:g}"


def answers_as_json(
    model: FinishedModel, answers: Sequence[Answer], gallery: Gallery, *, where: Path
) -> dict[str, Any]:
    """Return what is printed as JSON.

    Parameters
    ----------
    model
        Whose features were compared.
    answers
        One a query.
    gallery
        What was searched.
    where
        The gallery as it was named.
    """
    return {
        "model": model.origin(),
        "gallery": str(where),
        "images": len(gallery),
        "folder": str(gallery.folder),
        "distance": DISTANCE,
        "queries": [
            {
                "query": str(answer.query),
                "max_distance": answer.max_distance,
                "nearest": [
                    {"rank": rank, "path": match.path, "distance": match.distance}
                    for rank, match in enumerate(answer.matches, start=1)
                ],
            }
            for answer in answers
        ],
    }
