"""Evaluate a model on query and gallery."""

from pplr.checkpoint import read_model
from pplr.distances import distance_blocks, reranked_blocks
from pplr.evaluation import retrieval_metrics_in_blocks
from pplr.features import extract_global_features
from pplr.store import PackedImages, read_arrays, write_json
from stages import settings


def main(name: str) -> None:
    """Write mAP and CMC of the model `name`; only the global feature is used."""
    model = read_model(settings.model_path(name))
    params = settings.params()
    query, gallery = settings.DATASET / "query", settings.DATASET / "gallery"
    q_features, g_features = (
        extract_global_features(
            model, PackedImages(path), device=params.device, what=f"{path.name} of {name}"
        )
        for path in (query, gallery)
    )
    q_pids, q_camids = read_arrays(query, "pids", "camids")
    g_pids, g_camids = read_arrays(gallery, "pids", "camids")
    in_blocks = reranked_blocks if params.rerank else distance_blocks
    distances = in_blocks(q_features, g_features, device=params.device)
    metrics = retrieval_metrics_in_blocks(distances, q_pids, g_pids, q_camids, g_camids)
    results = {
        "mAP": metrics.mAP,
        **{
            f"rank{rank}": float(metrics.cmc[min(rank, len(metrics.cmc)) - 1])
            for rank in (1, 5, 10)
        },
        "num_valid_queries": metrics.num_valid_queries,
    }
    write_json(settings.results_path("evaluation", name), results)
    print(f"model {name}: mAP {results['mAP']:.1%}, Rank-1 {results['rank1']:.1%}")
