"""Decoding images once into packed uint8 arrays."""

import multiprocessing
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pplr.datasets.table import ImageTable
from pplr.errors import DataError, PplrError
from pplr.progress import track
from pplr.store import IMAGES_PER_CHUNK

MAX_LISTED = 20
BLOCK = 128  # images that a process decodes at a time; so few are decoded without other processes
BUFFERS = 2  # one is read while the other is filled

Shape = tuple[int, int, int, int]
# A buffer whose first places hold decoded images of these rows, and the errors of broken ones.
Decoded = tuple[range, NDArray[np.uint8], dict[int, PplrError]]


def decode_chunks(
    table: ImageTable,
    *,
    height: int,
    width: int,
    workers: int,
    what: str,
    broken: dict[int, PplrError],
) -> Iterator[NDArray[np.uint8]]:
    """Yield the images of a table, resized by bicubic interpolation, a chunk at a time.

    Parameters
    ----------
    table
        The images, N rows.
    height, width
        Size of the decoded images, pixels.
    workers
        Decoding processes; with 1, and for a few images, this process alone.
    what
        Name of the table in the progress.
    broken
        Gets the error of each row that could not be decoded; chunks leave it out.

    Yields
    ------
    NDArray
        (n,H,W,3) uint8 RGB, n = `IMAGES_PER_CHUNK` but in the last chunk; valid until the next.
    """
    N = len(table)
    shape = (min(N, IMAGES_PER_CHUNK), height, width, 3)
    alone = workers == 1 or N <= BLOCK
    decoded = _decoded(table, shape) if alone else _decoded_by(workers, table, shape)
    chunk = np.empty(shape, dtype=np.uint8)
    filled = 0
    num_chunks = -(-N // IMAGES_PER_CHUNK)
    for rows, buffer, errors in track(decoded, total=num_chunks, what=f"decoding {what}"):
        broken.update(errors)
        if not errors and not filled and len(rows) == IMAGES_PER_CHUNK:
            yield buffer
            continue
        for image in (image for row, image in zip(rows, buffer, strict=False) if row not in errors):
            chunk[filled] = image
            filled += 1
            if filled == IMAGES_PER_CHUNK:
                yield chunk
                filled = 0
    if filled:
        yield chunk[:filled]


def _decoded(table: ImageTable, shape: Shape) -> Iterator[Decoded]:
    """Yield all rows, a buffer of `shape` at a time, decoded in this process."""
    buffer = np.empty(shape, np.uint8)
    for start in range(0, len(table), max(1, len(buffer))):
        rows = range(start, min(start + len(buffer), len(table)))
        yield rows, buffer, _decode(table, rows, buffer)


def _decoded_by(workers: int, table: ImageTable, shape: Shape) -> Iterator[Decoded]:
    """Yield the same, decoded by several processes into files that all of them map into memory."""
    context = multiprocessing.get_context("forkserver")  # it need not import anew in each process
    context.set_forkserver_preload(["pplr.images"])
    pending: deque[tuple[range, NDArray[np.uint8], list[Future[dict[int, PplrError]]]]] = deque()
    with (
        tempfile.TemporaryDirectory(prefix="pplr-") as folder,
        ProcessPoolExecutor(
            workers,
            mp_context=context,
            initializer=_start_process,
            initargs=(table,),
        ) as pool,
    ):
        files = [Path(folder) / str(i) for i in range(BUFFERS)]
        buffers = [np.memmap(file, np.uint8, "w+", shape=shape) for file in files]
        for turn, start in enumerate(range(0, len(table), shape[0])):
            rows = range(start, min(start + shape[0], len(table)))
            file, buffer = files[turn % BUFFERS], buffers[turn % BUFFERS]
            jobs = [
                pool.submit(_decode_into, file, shape, place, rows[place : place + BLOCK])
                for place in range(0, len(rows), BLOCK)
            ]
            pending.append((rows, buffer, jobs))
            if len(pending) == BUFFERS:
                yield _finished(*pending.popleft())
        while pending:
            yield _finished(*pending.popleft())


def _finished(
    rows: range, buffer: NDArray[np.uint8], jobs: list[Future[dict[int, PplrError]]]
) -> Decoded:
    errors: dict[int, PplrError] = {}
    for job in jobs:
        errors |= job.result()
    return rows, buffer, errors


_table: ImageTable  # of a decoding process, sent once


def _start_process(table: ImageTable) -> None:
    global _table
    _table = table


def _decode_into(file: Path, shape: Shape, place: int, rows: range) -> dict[int, PplrError]:
    """Decode rows into a file of images, from a place on; return the errors by row."""
    return _decode(_table, rows, np.memmap(file, np.uint8, "r+", shape=shape)[place:])


def _decode(table: ImageTable, rows: range, buffer: NDArray[np.uint8]) -> dict[int, PplrError]:
    """Decode rows into the first places of a buffer (n,H,W,3); return the errors by row."""
    height, width = buffer.shape[1:3]
    errors: dict[int, PplrError] = {}
    for place, row in enumerate(rows):
        try:
            image = table.open_image(row)
        except PplrError as error:
            errors[row] = error
            continue
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BICUBIC)
        buffer[place] = np.asarray(image, dtype=np.uint8)
    return errors


def check_decoded(broken: Sequence[PplrError], *, skip: bool) -> None:
    """Raise one DataError that names the first `MAX_LISTED` broken images, or print so.

    Parameters
    ----------
    broken
        The errors of all images that could not be decoded.
    skip
        Whether these are left out, and only told.
    """
    if not broken:
        return
    names = [f"{error.where}: {error.value}" for error in broken[:MAX_LISTED]]
    if len(broken) > MAX_LISTED:
        names.append(f"and {len(broken) - MAX_LISTED} more")
    listed = "\n           ".join(names)
    if skip:
        print(f"left out: {len(broken)} images that cannot be decoded\n           {listed}")
        return
    if len(broken) == 1:
        raise broken[0]
    raise DataError(
        what=f"{len(broken)} images cannot be decoded.",
        where="the folder of the images",
        value=listed,
        allowed="images that PIL can open",
        next_step="replace or remove these files, or set `skip_broken: true`",
    )
