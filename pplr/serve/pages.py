"""What the pages of a run, an alternation, a cluster and an image show; templates lay it out.

Purity and identities need the true identities, which training never reads: for looking only.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from pplr.errors import PplrError, worded
from pplr.figures.choosing import evenly
from pplr.runs.clusters import ClusterSummary
from pplr.runs.inspect import BINS
from pplr.serve.charts import histogram, line_chart
from pplr.serve.look import Clustered, Look
from pplr.serve.pieces import (
    Context,
    camera_words,
    no_such,
    paged,
    picture_address,
    readable,
    shares,
    train_thumbs,
)

CLUSTERS, STRIP, IMAGES = 20, 10, 60  # clusters on a page, images of each, images on a page
NEAREST = 8  # clusters
FINISHED = "finished"  # the script asks for no more then


def run_page(look: Look) -> Context:
    """Return curves over the alternations, the settings that differ, and the metrics."""
    facts = look.facts()
    rows = facts["history"]
    names = [row["alternation"] for row in rows]

    def lines(*columns: str) -> dict[str, list[float | None]]:
        return {
            name.replace("_", " "): [_number(row.get(name)) for row in rows] for name in columns
        }

    columns = list(dict.fromkeys(name for row in rows for name in row))
    timing, untimed = _timing(look)
    seconds = [_number(timing.get(name, {}).get("seconds")) for name in names]
    charts = [
        line_chart(names, lines("mAP", "rank1"), label="Accuracy"),
        line_chart(names, lines("clusters", "outliers"), label="Clusters and outliers"),
        line_chart(
            names,
            lines(*(one for one in columns if one.startswith("agreement"))),
            label="Mean cross agreement, of all parts and by part from the top down",
        ),
        line_chart(
            names, lines(*(one for one in columns if one.endswith("_loss"))), label="Mean losses"
        ),
        line_chart(
            names,
            lines("adjusted_rand_index"),
            label="Pseudo-labels against true identities, for looking only",
        ),
        line_chart(names, {"seconds": seconds}, label="Seconds of each epoch"),
    ]
    shown = [name for name in columns if name != "lr"]
    return {
        "title": f"Run {look.name}",
        "progress": facts["unfinished"] or FINISHED,
        "facts": facts,
        "untimed": untimed,
        "charts": [chart for chart in charts if chart],
        "columns": shown,
        "table": [[_cell(row.get(name)) for name in shown] for row in rows],
        "last": rows[-1] if rows else {},
    }


def progress(look: Look) -> str:
    """Return how far a run is, in words, which change when its page would."""
    return look.facts()["unfinished"] or FINISHED


ORDERS: dict[str, tuple[str, Callable[[ClusterSummary], Any]]] = {
    "largest": ("largest first", lambda one: -one.size),
    "doubtful": ("lowest agreement first", lambda one: np.mean(one.agreement or 0.0)),
    "purest": ("purest first", lambda one: (-(one.purity or 0.0), -one.size)),
    "mixed": ("most mixed first", lambda one: (one.purity or 0.0, -one.size)),
}
BY_IDENTITY = ("purest", "mixed")


def alternation_page(look: Look, name: str, *, order: str, page: int) -> Context:
    """Return an alternation's clusters as strips of pictures, its outliers and its agreement."""
    known = _check_alternation(look, name)
    images = look.images("train")
    clustered = look.clustered(name)
    here = f"{look.root}/alternation/{name}"
    context = {"title": f"Alternation {name}", "name": name, "here": here, **known}
    if clustered is None:
        return {**context, "clustered": False}
    has_purity = any(one.purity is not None for one in clustered.summaries)
    orders = {
        key: words for key, (words, _) in ORDERS.items() if has_purity or key not in BY_IDENTITY
    }
    if order not in orders:
        raise no_such(order, kind="order", there=orders)
    ordered = sorted(clustered.summaries, key=ORDERS[order][1])
    pages, rows = paged(np.arange(len(ordered)), page, CLUSTERS, f"{here}?order={order}")
    strips = []
    for one in (ordered[i] for i in rows):
        members = clustered.members(one.cluster)
        shown = members[evenly(len(members), STRIP)]
        strips.append((one, train_thumbs(look, shown, name, clustered)))
    parts = () if clustered.agreement is None else tuple(clustered.agreement.T)
    outliers = clustered.outliers
    return {
        **context,
        "clustered": True,
        "order": order,
        "orders": orders,
        "pages": pages,
        "strips": strips,
        "num_clusters": len(ordered),
        "num_outliers": len(outliers),
        "num_images": len(images),
        "outliers": train_thumbs(look, outliers[evenly(len(outliers), STRIP)], name, clustered),
        "parts": [
            (
                float(part.mean(dtype=np.float64)),
                histogram(
                    np.histogram(part, bins=BINS, range=(0, 1))[0].tolist(),
                    label=f"images by the agreement of part {number}",
                ),
            )
            for number, part in enumerate(parts, start=1)
        ],
    }


def outliers_page(look: Look, name: str, *, page: int) -> Context:
    """Return the images that are in no cluster."""
    known = _check_alternation(look, name)
    clustered = _clustered(look, name)
    here = f"{look.root}/alternation/{name}/outliers"
    pages, rows = paged(clustered.outliers, page, IMAGES, here)
    return {
        "title": f"Outliers of alternation {name}",
        "name": name,
        **known,
        "pages": pages,
        "total": len(clustered.outliers),
        "thumbs": train_thumbs(look, rows, name, clustered),
    }


def cluster_page(look: Look, name: str, cluster: int, *, page: int) -> Context:
    """Return a cluster's images, its neighbours, and where its images were and go."""
    known = _check_alternation(look, name)
    clustered = _clustered(look, name)
    if cluster >= len(clustered.summaries):
        raise no_such(cluster, kind=f"cluster of {name}", there=len(clustered.summaries))
    members = clustered.members(cluster)
    here = f"{look.root}/alternation/{name}/cluster/{cluster}"
    pages, rows = paged(members, page, IMAGES, here)
    neighbours = clustered.labels[look.array(name, "ranked_list")[members]]
    return {
        "title": f"Cluster {cluster} of alternation {name}",
        "name": name,
        **known,
        "summary": clustered.summaries[cluster],
        "pages": pages,
        "thumbs": train_thumbs(look, rows, name, clustered),
        "nearest": [
            (one, share) for one, share in shares(neighbours.ravel()) if one not in (cluster, -1)
        ][:NEAREST],
        "elsewhere": {
            words: (other, shares(found.labels[members]))
            for words, other in (("before", known["before"]), ("after", known["after"]))
            if other and (found := readable(functools.partial(look.clustered, other)))
        },
    }


def image_page(look: Look, name: str, row: int) -> Context:
    """Return an image with its parts, neighbours, label and refined label through time."""
    known = _check_alternation(look, name)
    clustered = _clustered(look, name)
    images = look.images("train")
    if row >= len(images):
        raise no_such(row, kind="training image", there=len(images))
    k = look.run.settings.k
    by_space, by_part = (look.row(name, array, row) for array in ("ranked_list", "ranked_lists"))
    lists = {"global": [] if by_space is None else by_space[:k].tolist()}
    for part, ranked in enumerate(() if by_part is None else by_part.tolist(), start=1):
        lists[f"part {part}"] = ranked[:k]
    shared = set(lists["global"])
    spaces = []
    for space, ranked in lists.items():
        marks = ["shared" if one in shared and space != "global" else "" for one in ranked]
        rows = np.array(ranked, np.int64)
        thumbs = train_thumbs(look, rows, name, clustered, labels=clustered.labels, marks=marks)
        common = None if space == "global" else len(shared & set(ranked))
        spaces.append((space, common, thumbs))
    label = int(clustered.labels[row])
    return {
        "title": f"Image {row} in alternation {name}",
        "name": name,
        **known,
        "row": row,
        "path": str(images.paths[row]),
        "camera": camera_words(int(images.camids[row])),
        "pid": int(images.pids[row]),
        "through": {
            other: readable(functools.partial(_through, look, other, row))
            for other in look.run.alternations
        },
        "label": label,
        "spaces": spaces,
        "k": k,
        "masked": clustered.agreement is not None,
        "src": picture_address(look, images, row),
    }


# --- pieces --------------------------------------------------------------------------------


def _check_alternation(look: Look, name: str) -> Context:
    """Return the alternations before and after one; raise an error where it is not there."""
    there = look.run.alternations
    if name not in there:
        raise no_such(name, kind="alternation", there=there)
    at = there.index(name)
    return {
        "before": there[at - 1] if at else None,
        "after": there[at + 1] if at + 1 < len(there) else None,
    }


def _through(look: Look, name: str, row: int) -> Context:
    """Return an image's label, agreement and refined label; None where they are not there."""
    label = look.row(name, "pseudo_labels", row)
    classes, weights = (look.row(name, f"refined_{what}", row) for what in ("classes", "weights"))
    refined = None
    if classes is not None and weights is not None:
        refined = [(one, weight) for one, weight in zip(classes, weights, strict=True) if one >= 0]
    return {
        "label": None if label is None else int(label),
        "agreement": look.row(name, "cross_agreement", row),
        "refined": refined,
    }


def _clustered(look: Look, name: str) -> Clustered:
    clustered = look.clustered(name)
    if clustered is None:
        run = look.run
        there = [one for one in run.alternations if "clusters" in run.alternation(one).there]
        raise no_such(name, kind="clustered alternation", there=there)
    return clustered


def _timing(look: Look) -> tuple[Context, str]:
    """Return what epochs took, or in words why it cannot be read, and the run can without it."""
    try:
        return look.run.timing.get("train-epoch", {}), ""
    except (PplrError, OSError) as error:
        return {}, str(worded(error))


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
