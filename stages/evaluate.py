"""Evaluate a model on query and gallery."""

from pplr.evaluation.distances import distance_blocks, reranked_blocks
from pplr.evaluation.metrics import own_rows, retrieval_metrics_in_blocks
from pplr.network.checkpoint import read_model
from pplr.network.extraction import extract_global_features
from pplr.storage.arrays import read_arrays
from pplr.storage.images import PackedImages
from pplr.storage.json_files import write_json
from pplr.storage.replacing import check_room
from stages import settings

RANKS = {"rank1": 1, "rank5": 5, "rank10": 10}


def main(name: str) -> None:
    """Write mAP and CMC of the model `name`; only the global feature is used.

    Without known identities there is nothing to evaluate: the metrics are null.
    """
    check_room(settings.PATHS.evaluation(name), 0)  # before the work
    (q_pids,) = read_arrays(settings.PATHS.split("query"), "pids")
    if (q_pids < 0).all():
        print(f"model {name}: nothing to evaluate, no query has a known identity")
        nothing = dict.fromkeys(("mAP", *RANKS))
        write_json(settings.PATHS.evaluation(name), {**nothing, "num_valid_queries": 0})
        return
    model = read_model(settings.PATHS.model(name))
    params = settings.params()
    query, gallery = settings.PATHS.split("query"), settings.PATHS.split("gallery")
    q_features, g_features = (
        extract_global_features(
            model, PackedImages(path), device=params.device, what=f"{path.name} of {name}"
        )
        for path in (query, gallery)
    )
    q_camids, q_paths = read_arrays(query, "camids", "paths")
    g_pids, g_camids, g_paths = read_arrays(gallery, "pids", "camids", "paths")
    in_blocks = reranked_blocks if params.rerank else distance_blocks
    distances = in_blocks(q_features, g_features, device=params.device)
    own = own_rows(q_paths.tolist(), g_paths.tolist())
    metrics = retrieval_metrics_in_blocks(
        distances, q_pids, g_pids, q_camids, g_camids, q_index=own
    )
    results = {
        "mAP": metrics.mAP,
        **{key: float(metrics.cmc[min(rank, len(metrics.cmc)) - 1]) for key, rank in RANKS.items()},
        "num_valid_queries": metrics.num_valid_queries,
    }
    write_json(settings.PATHS.evaluation(name), results)
    print(f"model {name}: mAP {results['mAP']:.1%}, Rank-1 {results['rank1']:.1%}")
