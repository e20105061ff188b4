"""What the pages of queries show: each query's gallery as the metric ranks it."""

import numpy as np
from numpy.typing import NDArray

from pplr.serve.checks import other_gallery
from pplr.serve.look import Images, Look, Rows
from pplr.serve.pieces import (
    Context,
    Thumb,
    camera_words,
    no_such,
    paged,
    picture_address,
)

IMAGES = 60  # on a page
ORDERS = {"worst": "lowest precision first", "row": "in their order"}


def queries_page(look: Look, model: str, *, order: str, page: int) -> Context:
    """Return the queries with their average precision under a model."""
    models, precisions = _ranked(look, model)
    if order not in ORDERS:
        raise no_such(order, kind="order", there=ORDERS)
    rows = _ordered(precisions, order)
    pages, shown = paged(rows, page, IMAGES, f"{look.root}/queries/{model}?order={order}")
    queries = look.images("query")
    return {
        "title": f"Queries of model {model}",
        "model": model,
        "models": models,
        "order": order,
        "orders": ORDERS,
        "pages": pages,
        "total": len(rows),
        "without": len(precisions) - len(rows),
        "thumbs": [query_thumb(look, queries, model, int(row), precisions) for row in shown],
    }


def query_page(look: Look, model: str, row: int) -> Context:
    """Return a query and its ranked gallery, without what the metric leaves out."""
    models, precisions = _ranked(look, model)
    queries, gallery = look.images("query"), look.images("gallery")
    if row >= len(queries):
        raise no_such(row, kind="query", there=len(queries))
    ranked = look.array(model, "gallery_ranked_list")[row]
    if ranked.max(initial=-1) >= len(gallery):  # a ranking carries the digest of its queries alone
        path = look.run.paths.ranking(model)
        raise other_gallery(path, found=int(ranked.max()), images=len(gallery))
    known = queries.pids[row] >= 0
    same_person = (gallery.pids == queries.pids[row]) & known
    same_camera = (gallery.camids == queries.camids[row]) & (queries.camids[row] >= 0)
    own = gallery.paths == queries.paths[row]
    thumbs = []
    for rank, other in enumerate(ranked[ranked >= 0].tolist(), start=1):
        right = "right" if same_person[other] else "wrong" if known else "unknown"
        words = [f"{rank}", right, camera_words(int(gallery.camids[other]))]
        src = picture_address(look, gallery, other)
        alt = f"gallery image {other}, rank {rank}, {right}, {words[2]}"
        thumbs.append(Thumb(src, src, alt, words, mark=right))
    order = _ordered(precisions, "worst").tolist()
    at = order.index(row) if row in order else None
    return {
        "title": f"Query {row} of model {model}",
        "model": model,
        "models": models,
        "row": row,
        "path": str(queries.paths[row]),
        "camera": camera_words(int(queries.camids[row])),
        "src": picture_address(look, queries, row),
        "size": queries.shape,
        "precision": None if at is None else float(precisions[row]),
        "left_out": int((same_person & same_camera | own).sum()),
        "thumbs": thumbs,
        "worse": order[at - 1] if at else None,
        "better": order[at + 1] if at is not None and at + 1 < len(order) else None,
    }


def query_thumb(
    look: Look, queries: Images, model: str, row: int, precisions: NDArray[np.float64]
) -> Thumb:
    """Return a query that leads to its page."""
    precision = f"precision {precisions[row]:.2f}"
    return Thumb(
        href=f"{look.root}/query/{model}/{row}",
        src=picture_address(look, queries, row),
        alt=f"query {row}, average {precision}, {camera_words(int(queries.camids[row]))}",
        words=[precision, camera_words(int(queries.camids[row]))],
    )


def ranked_models(look: Look) -> list[str]:
    """Return the models whose rankings are on disk."""
    names = look.run.schedule.evaluated
    return [name for name in names if look.run.paths.ranking(name).is_dir()]


def _ranked(look: Look, model: str) -> tuple[list[str], NDArray[np.float64]]:
    """Return the models that have rankings, and the average precisions under one of them."""
    models = ranked_models(look)
    if model not in models:
        raise no_such(model, kind="evaluated model", there=models)
    return models, look.array(model, "average_precision")


def _ordered(precisions: NDArray[np.float64], order: str) -> Rows:
    """Return the queries that have a correct image."""
    rows = np.flatnonzero(precisions >= 0)
    return rows[np.argsort(precisions[rows], kind="stable")] if order == "worst" else rows
