"""Evaluate a model on query and gallery."""

from pplr.checkpoint import read_model
from pplr.evaluation import evaluate_features
from pplr.features import extract_global_features
from pplr.store import PackedImages, read_arrays, write_json
from stages import settings


def main(name: str) -> None:
    """Write mAP and CMC of the model `name`; only the global feature is used."""
    model = read_model(settings.model_path(name))
    device = settings.params().device
    query, gallery = settings.DATASET / "query", settings.DATASET / "gallery"
    q_features, g_features = (
        extract_global_features(
            model, PackedImages(path), device=device, what=f"{path.name} of {name}"
        )
        for path in (query, gallery)
    )
    q_pids, q_camids = read_arrays(query, "pids", "camids")
    g_pids, g_camids = read_arrays(gallery, "pids", "camids")
    metrics = evaluate_features(q_features, g_features, q_pids, g_pids, q_camids, g_camids)
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
