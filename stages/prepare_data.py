"""Decode the images of every split once, into packed arrays."""

import sys
from pathlib import Path

import zarr

from pplr.datasets import read_dataset
from pplr.datasets.protocol import remarks
from pplr.errors import PplrError
from pplr.images import check_decoded, decode_chunks
from pplr.store import replacing, write_split
from stages import settings


def main() -> None:
    """Write data/dataset.zarr from the schedule's `images`."""
    params = settings.params()
    size = {"height": params.height, "width": params.width}
    splits = read_dataset(params, Path(settings.schedule().inputs["images"]))
    for line in remarks(params.dataset, splits):
        print(f"warning: {line}", file=sys.stderr)
    all_broken: list[PplrError] = []
    emptied = False  # a split of broken images alone cannot be skipped
    with replacing(settings.DATASET) as temporary:
        zarr.create_group(temporary)
        for name, table in splits.items():
            broken: dict[int, PplrError] = {}
            write_split(
                temporary / name,
                decode_chunks(table, **size, workers=params.workers, what=name, broken=broken),
                shape=(len(table), params.height, params.width, 3),
                columns={"pids": table.pids, "camids": table.camids},
                paths=table.paths,
                broken=broken,
            )
            all_broken += broken.values()
            emptied |= len(broken) == len(table) > 0
        check_decoded(all_broken, skip=params.skip_broken and not emptied)
