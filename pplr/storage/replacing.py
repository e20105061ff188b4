"""Files and folders that take the place of others as a whole."""

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pplr.storage.checksums import write_checksums
from pplr.storage.room import check_free, refusals_named

_SUFFIX = ".partial"  # of the temporary folder
_OLD = "old"  # what stood at the path, in the temporary folder, until the new one is in its place


def check_room(path: Path, num_bytes: int) -> None:
    """Raise a NoRoomError unless there is room for an output, and for DVC's copy of it.

    What killed processes have left of it is cleared before.

    Parameters
    ----------
    path
        The output.
    num_bytes
        How large it will be.
    """
    _clear_leftovers(path)
    check_free(path, num_bytes)


@contextmanager
def replacing(path: Path, num_bytes: int = 0) -> Iterator[Path]:
    """Give a temporary path, which takes the place of `path` when the block succeeds.

    It has the final name, in a folder beside `path` that belongs to this process alone: two
    processes that write the same output do not meet. A process that is killed at any moment, or a
    block that fails, leaves `path` as it was or as it is to be; what was written is on the disk
    before it counts. A folder gets a list of its files and their checksums. Folders that killed
    processes have left are cleared.

    Parameters
    ----------
    path
        The output.
    num_bytes
        How large it will be, nearly; 0 where it is small.

    Raises
    ------
    NoRoomError
        The disk has no room for it: before the block begins, or when it is full meanwhile.
    """
    _clear_leftovers(path)
    if num_bytes:  # what is small has been asked for before the stage began
        check_free(path, num_bytes)
    with refusals_named(path, num_bytes):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _own_folder(path) as folder:
            temporary = folder / path.name
            yield temporary
            if temporary.is_dir():
                write_checksums(temporary)
            _sync(temporary)
            if os.path.lexists(path) and (_is_folder(path) or _is_folder(temporary)):
                path.rename(folder / _OLD)  # only a file takes another file's place in one step
            temporary.replace(path)
            _sync_one(path.parent)


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder, if it is there."""
    if _is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other process has this file or folder locked, and lock it for the block.

    It is a lock among those who ask for it. Where the file system has none, nobody waits.
    """
    lock = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@contextmanager
def _own_folder(path: Path) -> Iterator[Path]:
    """Make a folder beside a path, locked as long as this process lives, and remove it."""
    with contextlib.ExitStack() as lock:
        with locked(path.parent):  # nobody clears it before it is locked
            made = tempfile.mkdtemp(prefix=f".{path.name}.", suffix=_SUFFIX, dir=path.parent)
            folder = Path(made)
            lock.enter_context(locked(folder))
        try:
            yield folder
        finally:
            _put_back(path, folder)
            remove(folder)


def _clear_leftovers(path: Path) -> None:
    """Remove the folders beside a path that are locked by no process any more."""
    ours = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}{re.escape(_SUFFIX)}")  # mkdtemp's
    left = [folder for folder in path.parent.glob(f"*{_SUFFIX}") if ours.fullmatch(folder.name)]
    if not left:
        return
    with locked(path.parent):
        for folder in left:
            with contextlib.suppress(OSError):  # another process has cleared it, or has it still
                lock = os.open(folder, os.O_RDONLY)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _put_back(path, folder)
                    remove(folder)
                finally:
                    os.close(lock)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _put_back(path: Path, folder: Path) -> None:
    """Bring back what was set aside, where nothing has taken its place."""
    if os.path.lexists(folder / _OLD) and not os.path.lexists(path):
        (folder / _OLD).rename(path)


def _sync(path: Path) -> None:
    """Wait until a file, or a folder with all that is in it, is on the disk."""
    for folder, _, files in os.walk(path):
        for name in files:
            _sync_one(Path(folder, name))
        _sync_one(Path(folder))
    if path.is_file():
        _sync_one(path)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
