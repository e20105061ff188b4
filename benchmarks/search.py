"""How long `pplr search` takes in a large gallery: loading its features, and one query.

Usage: python -m benchmarks.search [--images N] [--features D] [--queries N]

Writes features of random directions, as `pplr extract` writes those of images, reads them as a
gallery, and asks it for the ten nearest of one query at a time; a bare product of the same
features with the query stands beside it. Prints a table in Markdown.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring import GiB, held, measured, table
from pplr.inference.features import write_features
from pplr.inference.images import FolderFeatures
from pplr.inference.models import FinishedModel
from pplr.inference.search import open_gallery

BATCH = 128


def random_units(rng: np.random.Generator, rows: int, D: int) -> NDArray[np.float32]:
    """Return random directions (rows,D)."""
    features = rng.standard_normal((rows, D), np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features


class RandomFeatures:
    """What `write_features` takes, of images that are not there."""

    def __init__(self, model: FinishedModel, N: int, D: int):
        self.model, self.folder, self.broken = model, Path("random"), dict[int, Any]()
        self.table, self.shape = range(N), (N, D)
        self.paths = [f"{row:07d}.jpg" for row in self.table]

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Yield features (n,1,D)."""
        N, D = self.shape
        rng = np.random.default_rng(0)
        for start in range(0, N, BATCH):
            yield random_units(rng, min(BATCH, N - start), D)[:, None]


def median_seconds(step: Callable[[NDArray[np.float32]], Any], queries: NDArray[np.float32]) -> str:
    """Return median and largest seconds of a step over the queries, in words."""
    step(queries[0])
    seconds = []
    for query in queries:
        start = time.perf_counter()
        step(query)
        seconds.append(time.perf_counter() - start)
    return f"{statistics.median(seconds):.3f} s (at most {max(seconds):.3f} s)"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--queries", type=int, default=20)
    options = parser.parse_args()
    N, D = options.images, options.features
    origin = {"name": "random", "checksum": "random"}
    network = SimpleNamespace(backbone=SimpleNamespace(num_features=D), num_parts=0)
    model = cast("FinishedModel", SimpleNamespace(network=network, origin=lambda: origin, **origin))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "features.zarr")
        write_features(path, cast("FolderFeatures", RandomFeatures(model, N, D)))
        base = held()
        gallery, seconds, peak = measured(lambda: open_gallery(model, path), base)
        queries = random_units(np.random.default_rng(1), options.queries, D)
        search = median_seconds(lambda query: gallery.nearest(query, 10), queries)
        product = median_seconds(lambda query: gallery.features @ query, queries)
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    rows = [
        f"features on disk | {size / GiB:.2f} GiB",
        f"loading them | {seconds:.1f} s, {peak / GiB:.2f} GiB of memory",
        f"the ten nearest of one query | {search}",
        f"a bare product with the query | {product}",
    ]
    table(f"A gallery of {N:,} images, {D:,} features", "step | figure", rows)


if __name__ == "__main__":
    main()
