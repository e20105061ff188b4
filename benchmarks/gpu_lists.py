"""From features to pseudo-labels and agreement, by a device's search and by the CPU's."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.gpu_checks import Check, largest, largest_of_sparse, places
from benchmarks.gpu_work import EPS, K2, MIN_SAMPLES, PAPER, K, P
from benchmarks.measuring import table
from benchmarks.synthetic import clustered
from pplr.agreement import cross_agreement
from pplr.clustering import pseudo_labels
from pplr.jaccard.distance import jaccard_distance
from pplr.jaccard.encoding import k_reciprocal_encoding
from pplr.ranking.lists import ranked_list

K1 = PAPER["k1"]
ROUNDS = 2
SPREAD = 0.02  # of each number of a part's feature about the global one's, whose norm is 1
WARMING = 300  # images: compiles the kernels and starts the device


class Outcome(NamedTuple):
    """What a search leads to; N images, P parts."""

    ranked: NDArray[np.int32]  # (N,k1-1)
    part_ranked: NDArray[np.int32]  # (N,P,k)
    distance: sparse.csr_array  # (N,N)
    labels: NDArray[np.int32]  # (N,)
    agreement: NDArray[np.float32]  # (N,P)


def lists(shape: tuple[int, int], device: str) -> list[Check]:
    """Return what differs between the device and the CPU; print the seconds of both.

    Parameters
    ----------
    shape
        (N,D) of the features.
    device
        Where the search looks for candidates.
    """
    features = clustered(*shape)
    stored = features.astype(np.float16)  # as the pipeline stores them
    parts = _parts(features).astype(np.float16)
    (expected, cpu_seconds), (found, device_seconds) = (
        _best(stored, parts, where) for where in ("cpu", device)
    )
    N, D = shape
    table(
        f"Seconds from features to labels and agreement, {N:,} × {D:,}, float16, "
        f"least of {ROUNDS} rounds ({expected.labels.max() + 1} clusters, "
        f"{(expected.labels < 0).sum()} outliers)",
        f"step | {device} | CPU | ",
        [
            f"{step} | {device_seconds[step]:.3f} | {taken:.3f} | "
            + ("" if "search" in step else "on the CPU whatever the device")
            for step, taken in cpu_seconds.items()
        ],
    )
    single = [ranked_list(features, K1 - 1, device=where) for where in (device, "cpu")]
    return [
        Check("ranked lists, float32 features: places", places(*single)),
        Check("ranked lists, float16 features: places", places(found.ranked, expected.ranked)),
        Check("parts' ranked lists: places", places(found.part_ranked, expected.part_ranked)),
        Check("Jaccard distances", largest_of_sparse(found.distance, expected.distance)),
        Check("pseudo-labels: images", places(found.labels, expected.labels)),
        Check("cross agreement", largest(found.agreement, expected.agreement)),
    ]


def _parts(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (N,P,D) features about the global ones."""
    rng = np.random.default_rng(1)
    N, D = features.shape
    return features[:, None] + SPREAD * rng.standard_normal((N, P, D), dtype=np.float32)


def _best(
    features: NDArray[np.floating], parts: NDArray[np.floating], device: str
) -> tuple[Outcome, dict[str, float]]:
    """Return the outcome and the least seconds of each step."""
    _steps(features[:WARMING], parts[:WARMING], device)
    rounds = [_steps(features, parts, device) for _ in range(ROUNDS)]
    outcome, taken = rounds[-1]
    return outcome, {step: min(seconds[step] for _, seconds in rounds) for step in taken}


def _steps(
    features: NDArray[np.floating], parts: NDArray[np.floating], device: str
) -> tuple[Outcome, dict[str, float]]:
    """Return the outcome and the seconds of each step."""
    taken: dict[str, float] = {}

    def timed(step: str, run: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = run()
        taken[step] = time.perf_counter() - start
        return result

    def search_parts() -> NDArray[np.int32]:
        found = [ranked_list(parts[:, p], K, device=device) for p in range(P)]
        return np.stack(found, axis=1)  # (N,P,k)

    ranked = timed("search", lambda: ranked_list(features, K1 - 1, device=device))
    encoding = timed("encoding", lambda: k_reciprocal_encoding(features, ranked, k1=K1, k2=K2))
    distance = timed("Jaccard distance", lambda: jaccard_distance(encoding, max_distance=EPS))
    labels = timed("DBSCAN", lambda: pseudo_labels(distance, eps=EPS, min_samples=MIN_SAMPLES))
    part_ranked = timed(f"search of {P} parts", search_parts)
    agreement = timed("agreement", lambda: cross_agreement(ranked, part_ranked, k=K))
    return Outcome(ranked, part_ranked, distance, labels, agreement), taken
