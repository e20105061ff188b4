"""Decode the images of every split once, into packed arrays."""

import sys
import time
from pathlib import Path

import zarr

from pplr.datasets import read_dataset
from pplr.datasets.decoding import decode_images
from pplr.datasets.image_checks import check_decoded
from pplr.datasets.protocol import check_tables
from pplr.datasets.remarks import remarks
from pplr.errors import PplrError
from pplr.settings.checks import check_watched
from pplr.settings.disk import disk_warnings
from pplr.settings.groups import DemoSettings, ImageSettings
from pplr.storage.images import complete_split, create_split
from pplr.storage.replacing import replacing
from pplr.storage.room import free_room
from stages import settings


def main() -> dict[str, float]:
    """Write data/dataset.zarr from the schedule's `images`; return how fast they were decoded."""
    params = settings.params()
    images = params.select(ImageSettings)
    size = {"height": images.height, "width": images.width}
    source = Path(settings.schedule().inputs["images"])
    splits = read_dataset(images, params.select(DemoSettings), source)
    for line in remarks(images.dataset, splits):
        print(f"warning: {line}", file=sys.stderr)
    if images.dataset != "demo":  # whose images are drawn
        check_watched(source, [path for table in splits.values() for path in table.paths])
    num_images = {name: len(table) for name, table in splits.items()}
    estimate = settings.disk(num_images)  # of the whole run: the first stage that knows the images
    for line in disk_warnings(estimate, free_room(settings.PATHS.dataset)):
        print(f"warning: {line}", file=sys.stderr)
    broken: dict[str, dict[int, PplrError]] = {}
    seconds = 0.0
    with replacing(settings.PATHS.dataset, estimate.once["prepare-data"]) as temporary:
        zarr.create_group(temporary)
        for name, table in splits.items():
            split = temporary / name
            create_split(split, (len(table), images.height, images.width, 3))
            start = time.perf_counter()
            broken[name] = decode_images(table, split, **size, workers=params.workers, what=name)
            seconds += time.perf_counter() - start
        errors = {name: list(of_split.values()) for name, of_split in broken.items()}
        check_decoded(errors, num_images, skip=images.skip_broken)
        left = {name: table.without(broken[name]) for name, table in splits.items()}
        check_tables(left, source, left_out=sum(map(len, broken.values())))
        for name, table in splits.items():
            columns = {"pids": table.pids, "camids": table.camids}
            complete_split(
                temporary / name, columns=columns, paths=table.paths, broken=broken[name]
            )
    return {"images_per_second": round(sum(num_images.values()) / seconds, 1)}
