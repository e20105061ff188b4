"""What the sections of benchmarks/pseudo_labels.py have in common: the steps that they measure."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring import GiB, held, measured, table
from benchmarks.synthetic import clustered
from pplr.agreement import cross_agreement
from pplr.clustering import pseudo_labels
from pplr.evaluation.metrics import retrieval_metrics
from pplr.jaccard.distance import jaccard_distance
from pplr.jaccard.encoding import k_reciprocal_encoding
from pplr.ranking.candidates import BLOCK
from pplr.ranking.lists import ranked_list

K1, K2, EPS, MIN_SAMPLES, K = 30, 6, 0.5, 4, 20  # the paper's

Features = NDArray[np.floating]
Step = tuple[str, float, float]  # name, seconds, bytes at its peak


def bare_product(features: Features) -> None:
    """Multiply all rows with all rows, in blocks of the search's size, and keep nothing."""
    starts = range(0, len(features), BLOCK)
    blocks = [features[start : start + BLOCK] for start in starts]
    room = np.empty((BLOCK, BLOCK), np.float32)
    for rows in blocks:
        for others in blocks:
            np.matmul(rows, others.T, out=room[: len(rows), : len(others)])


def jaccard_steps(
    features: Features, ranked: NDArray[np.int32], base: float
) -> tuple[Any, Any, list[Step]]:
    """Return the distances, the labels, and (name, seconds, bytes) of each step."""
    steps: list[Step] = []

    def step(name: str, call: Callable[[], Any]) -> Any:
        result, seconds, peak = measured(call, base)
        steps.append((name, seconds, peak))
        return result

    encoding = step("encoding", lambda: k_reciprocal_encoding(features, ranked, k1=K1, k2=K2))
    distance = step("Jaccard distance", lambda: jaccard_distance(encoding, max_distance=EPS))
    labels = step("DBSCAN", lambda: pseudo_labels(distance, eps=EPS, min_samples=MIN_SAMPLES))
    return distance, labels, steps


def warm_up() -> None:
    """Call every kernel once, for float16 and float32."""
    dtypes: tuple[type[np.floating], ...] = (np.float16, np.float32)
    for dtype in dtypes:
        features = clustered(300, 16).astype(dtype)
        ranked = ranked_list(features, K1)
        jaccard_steps(features, ranked, 0)
        cross_agreement(ranked, ranked[:, None], k=K)
    ids = np.arange(300) % 9
    retrieval_metrics(np.random.default_rng(0).random((300, 300)), ids, ids, ids, ids[::-1])


def against_the_product(
    N: int, D: int, *, make: Callable[[int, int], Features] = clustered, rounds: int = 3
) -> tuple[Features, Any, Any, Any, dict[str, float]]:
    """Measure search, Jaccard and DBSCAN next to the bare product; return the last round's."""
    features = make(N, D)
    warm_up()
    base = held()
    results: dict[str, list[float]] = {}
    peaks: dict[str, float] = {}
    for _ in range(rounds):
        _, bare, _ = measured(lambda: bare_product(features), base)
        ranked, searching, most = measured(lambda: ranked_list(features, K1 - 1), base)
        distance, labels, steps = jaccard_steps(features, ranked, base)
        for name, seconds, peak in [("bare product", bare, 0), ("search", searching, most), *steps]:
            results.setdefault(name, []).append(seconds)
            peaks[name] = max(peaks.get(name, 0), peak)
    best = {name: min(seconds) for name, seconds in results.items()}
    best["all after features"] = sum(best.values()) - best["bare product"]
    peaks["all after features"] = max(peaks.values())
    table(
        f"{make.__name__} features, {N:,} × {D:,}, least of {rounds} rounds "
        f"({labels.max() + 1} clusters, {(labels < 0).sum()} outliers)",
        "step | seconds | ÷ bare product | peak GiB over the features",
        [
            f"{name} | {seconds:.2f} | {seconds / best['bare product']:.2f} | "
            + (f"{peaks[name] / GiB:.2f}" if peaks[name] > 0 else "")
            for name, seconds in best.items()
        ],
    )
    return features, ranked, distance, labels, best


def recall(features: NDArray[np.float32], ranked: NDArray[np.int32]) -> float:
    """Return the share of the nearest, of 1,000 images, that the lists hold."""
    rows = np.random.default_rng(0).choice(len(features), 1000, replace=False)
    distances = (features * features).sum(axis=1) - 2 * features[rows] @ features.T
    distances[np.arange(len(rows)), rows] = np.inf
    depth = ranked.shape[1]
    nearest = np.argpartition(distances, depth, axis=1)[:, :depth]
    found = [len(np.intersect1d(a, b)) for a, b in zip(ranked[rows], nearest, strict=True)]
    return float(np.mean(found)) / int(depth)
