"""Compare each part's neighbours with the global ones."""

import numpy as np

from pplr.agreement import cross_agreement, part_agreement
from pplr.ranking.candidates import search_attributes
from pplr.ranking.lists import ranked_list
from pplr.storage.arrays import read_arrays, read_digest, write_arrays
from stages import settings


def main(name: str) -> None:
    """Write the parts' ranked lists and the cross agreement of alternation `name`."""
    params = settings.params()
    clusters = settings.PATHS.arrays(name, "clusters")
    digest = read_digest(clusters)
    (global_ranked,) = read_arrays(clusters, "ranked_list")
    (parts,) = read_arrays(settings.PATHS.arrays(name, "features"), "parts", digest=digest)
    ranked = np.stack(
        [
            ranked_list(parts[:, p], params.k, search=params.search, device=params.device)
            for p in range(parts.shape[1])
        ],
        axis=1,
    )  # (N,P,k)
    agreement = cross_agreement(global_ranked, ranked, k=params.k)
    arrays = {"ranked_lists": ranked, "cross_agreement": agreement}
    if params.part_refinement == "parts":
        arrays["part_agreement"] = part_agreement(ranked, k=params.k)
    write_arrays(
        settings.PATHS.arrays(name, "agreement"),
        arrays,
        digest=digest,
        attributes={"ranked_lists": search_attributes(params.search, len(parts))},
    )
