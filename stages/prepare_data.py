"""Decode the images of every split once, into packed arrays."""

import sys
import time
from pathlib import Path

import zarr

from pplr.datasets import read_dataset
from pplr.datasets.protocol import remarks
from pplr.errors import PplrError
from pplr.images import check_decoded, check_room, decode_images
from pplr.store import complete_split, create_split, replacing
from stages import settings


def main() -> dict[str, float]:
    """Write data/dataset.zarr from the schedule's `images`; return how fast they were decoded."""
    params = settings.params()
    size = {"height": params.height, "width": params.width}
    splits = read_dataset(params, Path(settings.schedule().inputs["images"]))
    for line in remarks(params.dataset, splits):
        print(f"warning: {line}", file=sys.stderr)
    N = sum(map(len, splits.values()))
    check_room(Path(), N * params.height * params.width * 3)
    all_broken: list[PplrError] = []
    emptied = False  # a split of broken images alone cannot be skipped
    seconds = 0.0
    with replacing(settings.DATASET) as temporary:
        zarr.create_group(temporary)
        for name, table in splits.items():
            split = temporary / name
            create_split(split, (len(table), params.height, params.width, 3))
            start = time.perf_counter()
            broken = decode_images(table, split, **size, workers=params.workers, what=name)
            seconds += time.perf_counter() - start
            columns = {"pids": table.pids, "camids": table.camids}
            complete_split(split, columns=columns, paths=table.paths, broken=broken)
            all_broken += broken.values()
            emptied |= len(broken) == len(table) > 0
        check_decoded(all_broken, skip=params.skip_broken and not emptied)
    return {"images_per_second": round(N / seconds, 1)}
