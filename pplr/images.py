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
    table: ImageTable, *, height: int, width: int, workers: int, what: str
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

    Yields
    ------
    NDArray
        (n,H,W,3) uint8 RGB, n = `IMAGES_PER_CHUNK` but in the last chunk.

    Raises
    ------
    DataError
        After the last chunk: some images could not be decoded; all of them are named.
    """
    N = len(table.paths)
    decode = partial(_decode, table, height, width)
    broken: list[PplrError] = []
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
    if broken:
        raise _all_in_one(broken, what)


def _decode(table: ImageTable, height: int, width: int, row: int) -> NDArray[np.uint8] | PplrError:
    try:
        image = table.open_image(row)
    except PplrError as error:
        return error
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.uint8)


def _all_in_one(broken: list[PplrError], what: str) -> PplrError:
    """Return one error that names every broken image, the first `MAX_LISTED` in full."""
    if len(broken) == 1:
        return broken[0]
    names = [f"{error.where}: {error.value}" for error in broken[:MAX_LISTED]]
    if len(broken) > MAX_LISTED:
        names.append(f"and {len(broken) - MAX_LISTED} more")
    return DataError(
        what=f"{len(broken)} images of {what} cannot be decoded.",
        where=what,
        value="\n           ".join(names),
        allowed="images that PIL can open",
        next_step="replace or remove these files",
    )
