"""Decode the images of every split once, into packed arrays."""

from pathlib import Path

import zarr

from pplr.datasets import read_dataset
from pplr.errors import PplrError
from pplr.images import check_decoded, decode_chunks
from pplr.store import replacing, write_split
from stages import settings


def main() -> None:
    """Write data/dataset.zarr from the schedule's `images`."""
    params = settings.params()
    size = {"height": params.height, "width": params.width}
    splits = read_dataset(params, Path(settings.schedule().inputs["images"]))
    broken: list[PplrError] = []
    with replacing(settings.DATASET) as temporary:
        zarr.create_group(temporary)
        for name, table in splits.items():
            write_split(
                temporary / name,
                decode_chunks(table, **size, workers=params.workers, what=name, broken=broken),
                shape=(len(table.paths), params.height, params.width, 3),
                columns={"pids": table.pids, "camids": table.camids},
                paths=table.paths,
            )
        check_decoded(broken)
