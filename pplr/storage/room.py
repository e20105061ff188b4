"""Room on the disk for an output: before it is written, and where the system refuses meanwhile."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pplr.errors import NoRoomError, PplrError
from pplr.storage.checks import no_room

# DVC copies what a stage has written into its cache, where the file system cannot clone files. A
# cache on another disk is not looked at.
COPIES = 2
# for what is small: results, DVC's own files, what Numba has compiled, each file's last block
RESERVE = 4 * 2**20

_FULL = (errno.ENOSPC, errno.EDQUOT)
_CODE = re.compile(r"\(os error ([0-9]+)\)")  # as errors of Rust's end: safetensors has no other


def check_free(path: Path, num_bytes: int) -> None:
    """Raise a NoRoomError unless an output of so many bytes fits on the disk of its folder."""
    needed, free = room_for(num_bytes), free_room(path)
    if needed > free:
        raise no_room(path, needed, free)


def room_for(num_bytes: int) -> int:
    """Return how many bytes must be free for an output of so many."""
    return COPIES * num_bytes + RESERVE


def free_room(path: Path) -> int:
    """Return how many bytes are free where a path is, or is to be."""
    return shutil.disk_usage(next(one for one in path.absolute().parents if one.is_dir())).free


@contextmanager
def refusals_named(path: Path, num_bytes: int) -> Iterator[None]:
    """Give the system's refusals the path of what was to be written; a full disk also the sizes.

    Parameters
    ----------
    path
        The output, of which nothing is left when the block has failed.
    num_bytes
        Its size; 0 where it is small or not known.
    """
    try:
        yield
    except Exception as error:
        # told already; the room for what lies within an output is told with the output's own size
        if isinstance(error, PplrError) and not (isinstance(error, NoRoomError) and num_bytes):
            raise
        code = error.errno if isinstance(error, OSError) else None
        if by_rust := _CODE.search(str(error)):
            code = int(by_rust[1])
        if code in _FULL:
            words = (room_for(num_bytes), free_room(path))
            raise no_room(path, *words, refusal=os.strerror(code)) from None
        if by_rust or code == errno.EFBIG:
            raise OSError(code, os.strerror(int(code or 0)), str(path)) from None
        raise
