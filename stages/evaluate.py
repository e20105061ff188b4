"""Evaluate a model on query and gallery."""

import numpy as np

from pplr.evaluation.distances import distance_blocks, reranked_blocks
from pplr.evaluation.metrics import RetrievalMetrics, own_rows, retrieval_metrics_in_blocks
from pplr.network.checkpoint import read_model
from pplr.network.extraction import extract_global_features
from pplr.storage.arrays import read_arrays, read_digest, write_arrays
from pplr.storage.images import PackedImages
from pplr.storage.json_files import write_json
from pplr.storage.replacing import check_room
from stages import settings

RANKS = {"rank1": 1, "rank5": 5, "rank10": 10}
DEPTH = 50  # of the ranked gallery that is kept of each query


def main(name: str) -> None:
    """Write mAP, CMC and the ranked gallery of the model `name`; only the global feature is used.

    Without known identities there is nothing to evaluate: the metrics are null, the lists empty.
    """
    query = settings.PATHS.split("query")
    (q_pids,) = read_arrays(query, "pids")
    Q = len(q_pids)
    check_room(settings.PATHS.ranking(name), Q * (8 + 4 * DEPTH))  # before the work
    precisions, ranked_list = np.full(Q, -1.0), np.full((Q, 1), np.int32(-1))
    results: dict[str, float | None] = {**dict.fromkeys(("mAP", *RANKS)), "num_valid_queries": 0}
    words = "nothing to evaluate, no query has a known identity"
    if (q_pids >= 0).any():
        found = ranked_gallery(name)
        precisions, ranked_list = found.average_precision, found.ranked_list
        ranks = {key: float(found.cmc[min(r, len(found.cmc)) - 1]) for key, r in RANKS.items()}
        results = {"mAP": found.mAP, **ranks, "num_valid_queries": found.num_valid_queries}
        words = f"mAP {found.mAP:.1%}, Rank-1 {ranks['rank1']:.1%}"
    ranking = {"average_precision": precisions, "gallery_ranked_list": ranked_list}
    write_arrays(settings.PATHS.ranking(name), ranking, digest=read_digest(query))
    write_json(settings.PATHS.evaluation(name), results)
    print(f"model {name}: {words}")


def ranked_gallery(name: str) -> RetrievalMetrics:
    """Return how well the model `name` ranks the gallery for each query."""
    model = read_model(settings.PATHS.model(name))
    params = settings.params()
    places = query, gallery = settings.PATHS.split("query"), settings.PATHS.split("gallery")
    q_features, g_features = (
        extract_global_features(
            model, PackedImages(path), device=params.device, what=f"{path.name} of {name}"
        )
        for path in places
    )
    q_pids, q_camids, q_paths = read_arrays(query, "pids", "camids", "paths")
    g_pids, g_camids, g_paths = read_arrays(gallery, "pids", "camids", "paths")
    in_blocks = reranked_blocks if params.rerank else distance_blocks
    distances = in_blocks(q_features, g_features, device=params.device)
    own = own_rows(q_paths.tolist(), g_paths.tolist())
    ids = (q_pids, g_pids, q_camids, g_camids)
    return retrieval_metrics_in_blocks(distances, *ids, q_index=own, depth=DEPTH)
