"""Decoding images once into packed uint8 arrays."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pplr.datasets.table import ImageTable
from pplr.errors import DataError, PplrError
from pplr.progress import track
from pplr.store import IMAGES_PER_CHUNK

MAX_LISTED = 20


def decode_chunks(
    table: ImageTable,
    *,
    height: int,
    width: int,
    workers: int,
    what: str,
    broken: list[PplrError],
) -> Iterator[NDArray[np.uint8]]:
    """Yield the images of a table, resized by bicubic interpolation, a chunk at a time.

    Parameters
    ----------
    table
        The images, N rows.
    height, width
        Size of the decoded images, pixels.
    workers
        Decoding threads.
    what
        Name of the table in the progress.
    broken
        Gets the error of each image that could not be decoded; its place in the chunk stays black.

    Yields
    ------
    NDArray
        (n,H,W,3) uint8 RGB, n = `IMAGES_PER_CHUNK` but in the last chunk.
    """
    N = len(table.paths)
    decode = partial(_decode, table, height, width)
    with ThreadPoolExecutor(workers) as pool:
        starts = range(0, N, IMAGES_PER_CHUNK)
        for start in track(starts, total=len(starts), what=f"decoding {what}"):
            rows = range(start, min(start + IMAGES_PER_CHUNK, N))
            chunk = np.zeros((len(rows), height, width, 3), dtype=np.uint8)
            for i, image in enumerate(pool.map(decode, rows)):
                if isinstance(image, PplrError):
                    broken.append(image)
                else:
                    chunk[i] = image
            yield chunk


def _decode(table: ImageTable, height: int, width: int, row: int) -> NDArray[np.uint8] | PplrError:
    try:
        image = table.open_image(row)
    except PplrError as error:
        return error
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.uint8)


def check_decoded(broken: list[PplrError]) -> None:
    """Raise one DataError that names every broken image, the first `MAX_LISTED` in full."""
    if not broken:
        return
    if len(broken) == 1:
        raise broken[0]
    names = [f"{error.where}: {error.value}" for error in broken[:MAX_LISTED]]
    if len(broken) > MAX_LISTED:
        names.append(f"and {len(broken) - MAX_LISTED} more")
    raise DataError(
        what=f"{len(broken)} images cannot be decoded.",
        where="the folder of the images",
        value="\n           ".join(names),
        allowed="images that PIL can open",
        next_step="replace or remove these files",
    )
