"""Decoding images once into packed uint8 arrays."""

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pplr.datasets.image_table import ImageTable
from pplr.datasets.pixels import resized
from pplr.errors import PplrError
from pplr.progress import track
from pplr.storage.images import IMAGES_PER_CHUNK, chunk_file

BLOCK = 128  # images that a process decodes at a time; so few are decoded without other processes


class Block(NamedTuple):
    """Rows that lie one after another in a chunk file, from a place on."""

    rows: range
    file: Path
    place: int


def decode_images(
    table: ImageTable, split: Path, *, height: int, width: int, workers: int, what: str
) -> dict[int, PplrError]:
    """Decode the images of a table into their places, resized by bicubic interpolation.

    Parameters
    ----------
    table
        The images, N rows.
    split
        The group that `create_split` has made for them.
    height, width
        Size of the decoded images, pixels.
    workers
        Decoding processes; with 1, and for a few images, this process alone.
    what
        Name of the table in the progress.

    Returns
    -------
    dict
        The error of each row that could not be decoded, in the order of rows. Its place is unused.
    """
    N = len(table)
    assert IMAGES_PER_CHUNK % BLOCK == 0
    blocks = [
        Block(
            rows=range(start, min(start + BLOCK, N)),
            file=chunk_file(split, start // IMAGES_PER_CHUNK),
            place=start % IMAGES_PER_CHUNK,
        )
        for start in range(0, N, BLOCK)
    ]
    decode = partial(_decode, table, (width, height))
    broken: dict[int, PplrError] = {}
    with contextlib.ExitStack() as stack:
        if workers == 1 or len(blocks) <= 1:
            results: Iterable[dict[int, PplrError]] = map(decode, blocks)
        else:
            context = multiprocessing.get_context("forkserver")  # imports once for all processes
            context.set_forkserver_preload(["pplr.datasets.decoding"])
            pool = ProcessPoolExecutor(
                min(workers, len(blocks)),
                mp_context=context,
                initializer=_start_process,
                initargs=(decode,),
            )
            results = stack.enter_context(pool).map(_decode_in_process, blocks)
        for errors in track(results, total=len(blocks), what=f"decoding {what}, blocks"):
            broken |= errors
    return broken


_decode_own: partial[dict[int, PplrError]]  # of a decoding process, sent once


def _start_process(decode: partial[dict[int, PplrError]]) -> None:
    global _decode_own
    _decode_own = decode
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one that started it is killed, which the pool does not notice."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _decode_in_process(block: Block) -> dict[int, PplrError]:
    return _decode_own(block)


def _decode(table: ImageTable, size: tuple[int, int], block: Block) -> dict[int, PplrError]:
    """Decode a block of images of a size (width, height) into its file; return the errors."""
    errors: dict[int, PplrError] = {}
    image_bytes = size[0] * size[1] * 3
    with block.file.open("r+b") as chunk:
        chunk.seek(block.place * image_bytes)
        for row in block.rows:
            try:
                image = table.open_image(row)
            except PplrError as error:
                errors[row] = error
                chunk.seek(image_bytes, os.SEEK_CUR)
                continue
            chunk.write(resized(image, size).tobytes())
    return errors
