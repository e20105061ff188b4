"""Cluster the global features into pseudo-labels."""

from pplr.checks import check_clusters
from pplr.clustering import pseudo_labels
from pplr.jaccard.distance import jaccard_distance
from pplr.jaccard.encoding import k_reciprocal_encoding
from pplr.ranking.candidates import search_attributes
from pplr.ranking.lists import ranked_list
from pplr.storage.arrays import read_arrays, read_digest, write_arrays
from stages import settings


def main(name: str) -> None:
    """Write the pseudo-labels and the global ranked list of alternation `name`."""
    params = settings.params()
    path = settings.PATHS.arrays(name, "features")
    (features,) = read_arrays(path, "global")
    depth = max(params.k, params.k1 - 1)
    ranked = ranked_list(features, depth, search=params.search, device=params.device)
    encoding = k_reciprocal_encoding(features, ranked, k1=params.k1, k2=params.k2)
    distance = jaccard_distance(encoding, max_distance=params.eps)
    labels = pseudo_labels(distance, eps=params.eps, min_samples=params.min_samples)
    check_clusters(labels)
    write_arrays(
        settings.PATHS.arrays(name, "clusters"),
        {"pseudo_labels": labels, "ranked_list": ranked},
        digest=read_digest(path),
        attributes={"ranked_list": search_attributes(params.search, len(features))},
    )
    outliers = int((labels < 0).sum())
    print(f"alternation {name}: {labels.max() + 1} clusters, {outliers} outliers")
