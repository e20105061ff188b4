"""What Python does to the world outside while something runs: hosts, files written, pickles.

What a library does in C is not seen; docs/safety.md has the commands for it.
"""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
LOCAL = ("127.0.0.1", "::1", "localhost", "", None)


@dataclass
class Seen:
    """Hosts that were asked for, files opened for writing, and what was unpickled by whom."""

    hosts: list[str] = field(default_factory=list)
    written: set[Path] = field(default_factory=set)
    unpickled: dict[str, str] = field(default_factory=dict)


_watching: list[Seen] = []


def _notice(event: str, arguments: tuple[Any, ...]) -> None:
    host = _host(event, arguments)
    if host is not None:
        for seen in _watching:
            seen.hosts.append(host)
        raise PermissionError(f"tests contact no host: {host}")  # noqa: EM102
    if not _watching:
        return
    if event == "open" and isinstance(arguments[0], str | bytes) and arguments[2] & WRITES:
        for seen in _watching:
            seen.written.add(Path(os.fsdecode(arguments[0])).absolute())
    elif event == "pickle.find_class":
        for seen in _watching:
            seen.unpickled.setdefault(".".join(arguments), _callers())


def _callers() -> str:
    """Return the files of the functions that are being run, the innermost first."""
    frame: FrameType | None = sys._getframe(2)
    files = []
    while frame is not None:
        files.append(frame.f_code.co_filename)
        frame = frame.f_back
    return " < ".join(files)


def _host(event: str, arguments: tuple[Any, ...]) -> str | None:
    """Return the host of another machine that is asked for; None where none is."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and arguments[0].family != socket.AF_UNIX:
        host = arguments[1][0]
    else:
        return None
    host = host.decode() if isinstance(host, bytes) else host
    return None if host in (*LOCAL, socket.gethostname()) else host


def refuse_hosts() -> None:
    """From now on, no other machine can be reached from this process."""
    sys.addaudithook(_notice)


@contextmanager
def watching() -> Iterator[Seen]:
    """Note what happens, after `refuse_hosts`."""
    seen = Seen()
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)
