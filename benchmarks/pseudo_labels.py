"""Pseudo-labels, agreement and evaluation: seconds, peak memory, and ratios, all of one run.

Usage: python -m benchmarks.pseudo_labels [SECTION …]

Prints tables in Markdown. Each section runs in a process of its own, which has called every kernel
once on a few images before anything is timed. Peak memory is what a step adds at its highest to
what the process held with its inputs loaded. The textbook is benchmarks/textbook.py.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial

import numpy as np
from sklearn.metrics import adjusted_rand_score

from benchmarks import textbook
from benchmarks.measuring import GiB, held, measured, table
from benchmarks.pseudo_label_steps import (
    EPS,
    K1,
    K2,
    MIN_SAMPLES,
    K,
    against_the_product,
    jaccard_steps,
    recall,
    warm_up,
)
from benchmarks.running import WEIGHTS, run
from benchmarks.synthetic import clustered, collapsed, hubs
from pplr.agreement import cross_agreement
from pplr.evaluation.metrics import retrieval_metrics
from pplr.ranking.candidates import search_attributes
from pplr.ranking.lists import ranked_list
from pplr.settings.configure import make_settings
from pplr.settings.writing import format_params, format_schedule
from pplr.storage.arrays import read_arrays
from pplr.storage.layout import RunPaths


def main() -> None:
    """Run the sections that are asked for, each in its own process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    for name in arguments.sections or SECTIONS:
        if arguments.here:
            SECTIONS[name]()
        else:
            command = [sys.executable, "-m", "benchmarks.pseudo_labels", "--here", name]
            subprocess.run(command, check=True)


def market() -> None:
    """Market-1501's size, and the dense textbook on the same features."""
    features, ranked, distance, labels, best = against_the_product(12_936, 2048)
    base = held()
    distances, product_time, _ = measured(
        lambda: textbook.squared_distances(features, features), base
    )
    slow_ranked, sort_time, peak = measured(lambda: textbook.ranked_list(distances, K1 - 1), base)
    encoding, *encoded = measured(
        lambda: textbook.k_reciprocal_encoding(distances, ranked, K1, K2), base
    )
    dense, *compared = measured(lambda: textbook.jaccard_distance(encoding), base)
    slow_labels, *grouped = measured(lambda: textbook.pseudo_labels(dense, EPS, MIN_SAMPLES), base)
    slow = {
        "search": (product_time + sort_time, peak),
        "encoding": encoded,
        "Jaccard distance": compared,
        "DBSCAN": grouped,
    }
    after = ("encoding", "Jaccard distance", "DBSCAN")
    total = sum(slow[name][0] for name in after), max(slow[name][1] for name in after)
    slow["Jaccard + DBSCAN"] = total
    best["Jaccard + DBSCAN"] = sum(best[name] for name in after)
    table(
        f"The dense textbook, {len(features):,} images, lists given",
        "step | textbook, seconds | ours, seconds | textbook ÷ ours | textbook, peak GiB",
        [
            f"{name} | {seconds:.2f} | {best[name]:.3f} | {seconds / best[name]:.0f} | "
            f"{peak / GiB:.2f}"
            for name, (seconds, peak) in slow.items()
        ],
    )
    rows = np.repeat(np.arange(len(ranked)), np.diff(distance.indptr))
    error = np.abs(dense[rows, distance.indices] - distance.data).max()
    missed = int((dense <= EPS - 1e-5).sum() - (distance.data <= EPS - 1e-5).sum())
    other = ranked != slow_ranked
    apart = np.abs(
        distances[np.nonzero(other)[0], ranked[other]]
        - distances[np.nonzero(other)[0], slow_ranked[other]]
    ).max(initial=0)
    print(f"\nLabels identical: {np.array_equal(labels, slow_labels)}.")
    print(f"Distances differ by {error:.1e} at most; {missed} below eps are missed.")
    print(f"Lists differ from float64's in {other.sum()} places, by {apart:.1e} at most.")


def msmt() -> None:
    """MSMT17's size."""
    against_the_product(32_621, 2048, rounds=2)


def hub() -> None:
    """Measure hubs, a few images in everyone's list; and what only hubs are near."""
    against_the_product(12_936, 2048, make=hubs)
    against_the_product(32_621, 2048, make=hubs, rounds=1)
    against_the_product(12_936, 2048, make=collapsed, rounds=1)


def growth() -> None:
    """Jaccard and DBSCAN up to a million images, ranked lists given."""
    warm_up()
    rows = []
    for N in (10_000, 100_000, 1_000_000):
        features = clustered(N, 64)
        ranked = ranked_list(features, K1 - 1, search="approximate")
        base = held()
        _, labels, steps = jaccard_steps(features, ranked, base)
        seconds = sum(step[1] for step in steps)
        peak = max(step[2] for step in steps)
        rows.append(
            f"{N:,} | "
            + " | ".join(f"{step[1]:.2f}" for step in steps)
            + f" | {seconds:.2f} | {1e6 * seconds / N:.1f} | {peak / GiB:.2f} | "
            f"{(peak + base) / GiB:.2f} | {labels.max() + 1:,}"
        )
    table(
        "Growth: Jaccard and DBSCAN, D = 64, lists given",
        "images | encoding, s | Jaccard, s | DBSCAN, s | sum, s | µs an image | peak GiB over the "
        "inputs | GiB in all | clusters",
        rows,
    )


def agreement() -> None:
    """Cross agreement of a million images."""
    warm_up()
    rng = np.random.default_rng(0)
    N = 1_000_000
    lists = rng.integers(N, size=(N, 4, K), dtype=np.int32)
    lists[:, 1:, ::2] = lists[:, :1, 1::2]  # half of each part's list is in the global one
    global_ranked, part_ranked = lists[:, 0].copy(), lists[:, 1:].copy()
    _, seconds, peak = measured(lambda: cross_agreement(global_ranked, part_ranked, k=K), held())
    few = slice(20_000)
    _, slow, _ = measured(
        lambda: textbook.cross_agreement(global_ranked[few], part_ranked[few], K), held()
    )
    table(
        "Cross agreement, 3 parts, k 20",
        "images | seconds | textbook, seconds (from 20,000) | ratio | peak GiB over the inputs",
        [f"{N:,} | {seconds:.2f} | {slow * 50:.0f} | {slow * 50 / seconds:.0f} | {peak / GiB:.2f}"],
    )


def evaluation() -> None:
    """Metrics of Market-1501's test size, from distances."""
    warm_up()
    rng = np.random.default_rng(0)
    Q, G = 3368, 15_913
    pids, camids = rng.integers(750, size=Q + G), rng.integers(6, size=Q + G)
    distmat = rng.random((Q, G), dtype=np.float32)
    distmat -= 0.4 * (pids[:Q, None] == pids[Q:])
    ids = pids[:Q], pids[Q:], camids[:Q], camids[Q:]
    metrics, seconds, _ = measured(lambda: retrieval_metrics(distmat, *ids), held())
    mAP, slow, _ = measured(lambda: textbook.mean_average_precision(distmat, *ids), held())
    table(
        f"Evaluation, {Q:,} queries × {G:,} gallery images",
        "seconds | scikit-learn a query at a time, seconds | ratio | mAP | difference",
        [
            f"{seconds:.2f} | {slow:.1f} | {slow / seconds:.0f} | {mAP:.4f} | "
            f"{mAP - metrics.mAP:.1e}"
        ],
    )


def approximate() -> None:
    """Measure approximate search of a million images; exact is extrapolated from a tenth."""
    N, D = 1_000_000, 256
    warm_up()
    rows: list[str] = []
    for images_of_a_person in (64, 17):
        features = clustered(N, D, images_of_a_person=images_of_a_person)
        base = held()
        search = partial(ranked_list, features, K1, search="approximate")
        ranked, seconds, peak = measured(search, base)
        if not rows:
            _, exact, _ = measured(partial(ranked_list, features[: N // 10], K1), held())
        rows.append(
            f"{images_of_a_person} | {seconds:.0f} | {100 * exact:.0f} | "
            f"{100 * exact / seconds:.1f} | {recall(features, ranked):.3f} | {peak / GiB:.2f}"
        )
    table(
        f"Approximate search, {N:,} × {D}, the {K1} nearest",
        "images of a person | approximate, build included, s | exact, s (100 × that of 100,000) | "
        "ratio | recall | peak GiB over the features",
        rows,
    )
    print(f"\n{search_attributes('approximate', N)}")


def precision() -> None:
    """float16 against float32 features: 12,944 images of the embedded data set."""
    paths = RunPaths()  # of the folder that is the current one below
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        words = [f"weights={WEIGHTS}", "demo_people=809", "feature_dtype=float32"]
        chosen = make_settings("demo", None, epochs=1, cameras=False, overrides=words)
        paths.params.write_text(format_params(chosen.params))
        paths.schedule.write_text(format_schedule(chosen.schedule))
        run("prepare_data")
        run("init_model")
        run("extract_features", "00", "init")
        (features,) = read_arrays(paths.arrays("00", "features"), "global")
        (pids,) = read_arrays(paths.split("train"), "pids")
    both = []
    dtypes: tuple[type[np.floating], ...] = (np.float32, np.float16)
    for dtype in dtypes:
        stored = features.astype(dtype)
        ranked = ranked_list(stored, K1 - 1)
        both.append((ranked, jaccard_steps(stored, ranked, 0)[1]))
    (ranked, labels), (half_ranked, half_labels) = both
    common = [len(np.intersect1d(a, b)) for a, b in zip(ranked, half_ranked, strict=True)]
    figures = (
        np.mean(common) / (K1 - 1),
        (ranked == half_ranked).all(axis=1).mean(),
        adjusted_rand_score(labels, half_labels),
        adjusted_rand_score(pids, labels),
        adjusted_rand_score(pids, half_labels),
    )
    table(
        f"float16 against float32, {len(features):,} × {features.shape[1]}, the demo's features",
        f"overlap of the lists of {K1 - 1} | equal lists | adjusted Rand index of the labels | "
        "against true identities, float32 | float16",
        [" | ".join(f"{figure:.4f}" for figure in figures)],
    )


def first_call() -> None:
    """Measure the first call in a process, with the kernels in Numba's cache."""
    script = (
        "import time, numpy; from benchmarks.pseudo_label_steps import warm_up\n"
        "numpy.ones((9, 9)) @ numpy.ones((9, 9))\n"
        "for _ in range(2):\n"
        "    start = time.perf_counter(); warm_up(); print(time.perf_counter() - start)\n"
    )
    command = [sys.executable, "-c", script]
    subprocess.run(command, check=True, capture_output=True)  # the first time ever, perhaps
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    first, second = (float(line) for line in done.stdout.split())
    table(
        "First call of every kernel in a process, for float16 and float32",
        "first, s | second, s",
        [f"{first:.2f} | {second:.2f}"],
    )


SECTIONS: dict[str, Callable[[], None]] = {
    "market": market,
    "msmt": msmt,
    "hub": hub,
    "growth": growth,
    "agreement": agreement,
    "evaluation": evaluation,
    "approximate": approximate,
    "precision": precision,
    "first-call": first_call,
}

if __name__ == "__main__":
    main()
