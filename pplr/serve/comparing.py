"""What the page of a comparison shows: which clusters became others, which queries got better."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pplr.figures.choosing import evenly
from pplr.runs.differences import label_changes
from pplr.serve.look import Clustered, Look
from pplr.serve.pieces import Context, Thumb, no_such, shares, train_thumbs
from pplr.serve.queries import query_thumb, ranked_models

CLUSTERS, STRIP, QUERIES = 12, 10, 12  # of each kind, images of a cluster, queries

Side = tuple[Look, str]


def compare_page(looks: Sequence[Look], a: str, b: str) -> Context:
    """Return what became of the clusters and queries of an alternation in another.

    Parameters
    ----------
    looks
        The run, and the one that is compared with it if there is one.
    a, b
        `03`, or `other:03` of the run that is compared; an empty text is of the last two, or of
        the last of both runs.
    """
    sides = [_name(look, name) for look in looks for name in look.run.alternations]
    if not (a and b):
        last = _default(looks, sides)
        a, b = a or last[0], b or last[1]
    (look_a, name_a), (look_b, name_b) = _side(looks, a, sides), _side(looks, b, sides)
    context = {"title": f"{a} and {b} compared", "a": a, "b": b, "sides": sides}
    if look_a.images("train").digest != look_b.images("train").digest:
        return {**context, "problem": "The two are of other training images."}
    found = [look.clustered(name) for look, name in ((look_a, name_a), (look_b, name_b))]
    if found[0] is None or found[1] is None:
        return {**context, "problem": "Both are to be clustered first."}
    before, after = found[0], found[1]
    changes = label_changes(before.labels, after.labels)
    forward = (look_a, name_a, before, after.labels)
    backward = (look_b, name_b, after, before.labels)
    kinds = [
        ("split", f"Split: clusters of {a} that are in several of {b}", changes.split, forward),
        (
            "merged",
            f"Merged: clusters of {b} that were in several of {a}",
            changes.merged,
            backward,
        ),
        ("appeared", f"Appeared: clusters of {b}, outliers in {a}", changes.appeared, backward),
        ("dissolved", f"Dissolved: clusters of {a}, outliers in {b}", changes.dissolved, forward),
    ]
    return {
        **context,
        "kinds": [(key, words, len(rows), _strips(rows, *how)) for key, words, rows, how in kinds],
        "outliers": [int((one.labels < 0).sum()) for one in (before, after)],
        "clusters": [len(one.summaries) for one in (before, after)],
        **_queries((look_a, name_a), (look_b, name_b)),
    }


def _name(look: Look, name: str) -> str:
    return f"other:{name}" if look.root else name


def _default(looks: Sequence[Look], sides: Sequence[str]) -> tuple[str, str]:
    if not sides:
        raise no_such(None, kind="alternation")
    own = [name for name in sides if ":" not in name] or sides
    if len(looks) > 1:
        return own[-1], sides[-1]
    return own[max(0, len(own) - 2)], own[-1]


def _side(looks: Sequence[Look], text: str, sides: Sequence[str]) -> Side:
    if text not in sides:
        raise no_such(text, kind="alternation", there=sides)
    kind, _, name = text.rpartition(":")
    return looks[bool(kind)], name


def _strips(
    clusters: NDArray[np.int64],
    look: Look,
    name: str,
    clustered: Clustered,
    others: NDArray[np.int32],
) -> list[Context]:
    """Return the largest of some clusters with their images, sorted by where else they are."""
    sizes = [clustered.summaries[one].size for one in clusters]
    strips = []
    for i in np.argsort(-np.array(sizes, dtype=np.int64), kind="stable")[:CLUSTERS]:
        members = clustered.members(int(clusters[i]))
        members = members[np.argsort(others[members], kind="stable")]
        shown = members[evenly(len(members), STRIP)]
        thumbs = train_thumbs(look, shown, name, clustered, labels=others)
        strips.append(
            {
                "cluster": int(clusters[i]),
                "size": sizes[i],
                "href": f"{look.root}/alternation/{name}/cluster/{clusters[i]}",
                "places": shares(others[members]),
                "thumbs": thumbs,
            }
        )
    return strips


def _queries(a: Side, b: Side) -> dict[str, Any]:
    """Return the queries whose average precision rose and fell most, where both are evaluated."""
    if any(name not in ranked_models(look) for look, name in (a, b)):
        return {}
    for split in ("query", "gallery"):
        if a[0].images(split).digest != b[0].images(split).digest:
            return {}
    before, after = (look.array(name, "average_precision") for look, name in (a, b))
    look, name = b
    queries = look.images("query")
    known = np.flatnonzero((before >= 0) & (after >= 0))
    gains = after[known] - before[known]
    order = known[np.argsort(gains, kind="stable")]

    def thumb(row: int) -> Thumb:
        plain = query_thumb(look, queries, name, row, after)
        words = [f"{before[row]:.2f} to {after[row]:.2f}", *plain.words[1:]]
        return Thumb(plain.href, plain.src, f"{plain.alt}, before {before[row]:.2f}", words)

    worse = [thumb(int(row)) for row in order[:QUERIES] if after[row] < before[row]]
    better = [thumb(int(row)) for row in order[::-1][:QUERIES] if after[row] > before[row]]
    counts = [int((gains > 0).sum()), int((gains < 0).sum()), len(known)]
    return {"better": better, "worse": worse, "query_counts": counts}
