"""Errors that tell a user what is wrong, where, what was found, what is allowed and what to do."""

import contextlib
import errno
import re
from collections.abc import Iterator
from typing import Any

from pplr.printing import printable


class PplrError(Exception):
    """A mistake in a setting, an input or a file, worded for the person who can mend it.

    Parameters
    ----------
    what
        What is wrong, one sentence.
    where
        The setting, file or argument it is in.
    value
        What was found there.
    allowed
        What is allowed there.
    next_step
        What to do next.
    """

    def __init__(self, what: str, *, where: str, value: object, allowed: str, next_step: str):
        message = (
            f"{what}\n"
            f"  where:   {where}\n"
            f"  found:   {value}\n"
            f"  allowed: {allowed}\n"
            f"  next:    {next_step}"
        )
        super().__init__("\n".join(map(printable, message.split("\n"))))
        self.where = where
        self.value = value

    def __str__(self) -> str:
        """Return the whole message; those that are an OSError, too, would format an errno."""
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make it anew: from its message, when it comes from another process."""
        return _made_anew, (type(self), self.args, self.where, str(self.value))


def _made_anew(
    kind: type[PplrError], arguments: tuple[Any, ...], where: str, value: str
) -> PplrError:
    error = kind.__new__(kind, *arguments)
    error.args, error.where, error.value = arguments, where, value
    return error


# What to do where the system refuses for a reason of its own; nothing is damaged by it.
_REMEDIES: dict[int | None, str] = {
    errno.ENOSPC: "make room on this disk and run it again; `dvc repro` goes on",
    errno.EDQUOT: "make room in this user's share of it and run it again; `dvc repro` goes on",
    errno.EMFILE: "allow more open files, as with `ulimit -n 4096`, and run it again",
    errno.ENFILE: "close other programs, for the system has no more open files, and run it again",
    errno.EFBIG: "allow larger files, as with `ulimit -f unlimited`, or take a disk that can hold "
    "them",
    errno.EACCES: "change its permissions, or run as the user who may",
    errno.EROFS: "name a place on a disk that can be written",
}


def worded(error: PplrError | OSError) -> PplrError:
    """Return an error as it is told to a user: a refusal of the system's in our form."""
    if isinstance(error, PplrError):
        return error
    otherwise = "change its permissions, make room, or name another one"
    return DataError(
        what="The system refuses a file or folder.",
        where=str(error.filename or "not said by the system"),
        value=error.strerror or str(error),
        allowed="what this user may read and write, on a disk with room",
        next_step=_REMEDIES.get(error.errno, otherwise),
    )


class SettingError(PplrError, ValueError):
    """A setting in params.yaml or schedule.yaml, or an option, that cannot be used."""


class MissingInputError(PplrError, FileNotFoundError):
    """A file or folder that is not there, or is empty."""


class DataError(PplrError, ValueError):
    """An image, a table, an array or a place that cannot be used as it is."""


class NoRoomError(PplrError, OSError):
    """An output that does not fit on its disk."""

    errno = errno.ENOSPC


class WeightsError(PplrError, ValueError):
    """Pretrained weights that cannot be read or do not fit the backbone."""


class ClusteringError(PplrError, ValueError):
    """Features of which no clusters can be made: too few are found, or all are near each other."""


# How torch and faiss say on a GPU, torch on the CPU and NumPy that there is no more memory.
_FULL = re.compile(r"[^.]*out of memory[^.]*|can't allocate memory[^.]*|Unable to allocate.*")


@contextlib.contextmanager
def memory_named(where: str, *, next_step: str) -> Iterator[None]:
    """Raise a SettingError where a library says that memory is full, a device's or the machine's.

    Parameters
    ----------
    where
        What runs out of it.
    next_step
        What needs less.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        said = _FULL.search(str(error))
        if said is None and not isinstance(error, MemoryError):
            raise
        raise SettingError(
            what="There is not enough memory for this.",
            where=where,
            value=said[0] if said else "no more main memory",
            allowed="a device whose memory is free, or one with more of it",
            next_step=next_step,
        ) from None
