"""Every stage on a disk that is full; run by tests/stages/test_full_disk.py.

Usage: unshare --map-root-user --mount python -m tests.full_disk RUN PLACE

mounts a small file system at PLACE, for this process alone, copies the run RUN there, and prints
what each stage says as JSON: where there is no room, and where the disk fills while it writes.
"""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from pplr.storage import replacing, room
from stages import launch
from tests.tiny import commands, digests, working_in

MB = 10**6
DISK = 50 * MB
LITTLE = MB // 2
PAGE = 4096  # the disk is filled in these


def main(run: Path, place: Path) -> None:
    """Print a list: for each stage its name and what became of it."""
    mount = ("mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(place))
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        sys.exit(3)
    with contextlib.redirect_stdout(io.StringIO()), working_in(place):
        shutil.copytree(run, place, dirs_exist_ok=True)
        once = [one for one in commands() if not {"00", "init"} & set(one[1:2])]
        found = [{"stage": one[0], **try_stage(*one)} for one in once]
    print(json.dumps(found))


def try_stage(*command: str) -> dict[str, Any]:
    """Return what a stage says and leaves without room, as the disk fills, and with room made."""
    before = digests(Path("data"))
    refused, left = "", True
    was_free = 0
    for free in (LITTLE, room.RESERVE + MB // 200):  # the second does for small outputs
        with only_free(free):
            said = run_stage(*command)
        if said:
            refused, was_free = said, free
        left &= digests(Path("data")) == before
    filled, kept = "", True
    for free in (0, MB):
        with only_free(free), never_asking():
            filled = run_stage(*command) or filled
            kept &= digests(Path("data")) == before
    size, unit = re.findall(r"([0-9.]+) (MB|kB) missing", refused)[-1]  # behind a warning's
    missing = int(1.05 * float(size) * {"MB": MB, "kB": 1000}[unit])  # it is told in two digits
    with only_free(was_free + missing + PAGE):
        again = run_stage(*command)
        same = digests(Path("data")) == before
    return {
        "refused": refused, "left": left, "filled": filled, "kept": kept,
        "again": again, "same": same,
        "leftovers": [str(path) for path in Path().rglob("*.partial")],
    }  # fmt: skip


def run_stage(*command: str) -> str:
    """Return what a stage has said on standard error; nothing where it has succeeded."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        code = launch.main(*command)
    assert code in (0, 1)
    return errors.getvalue() if code else ""


@contextlib.contextmanager
def only_free(num_bytes: int):
    """Fill the disk but for so many bytes."""
    filler = Path("filler")
    with filler.open("wb") as file:
        usage = shutil.disk_usage(".")
        os.posix_fallocate(file.fileno(), 0, usage.free - num_bytes)
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def never_asking():
    """Let stages begin to write as if there were room, which another program takes meanwhile."""
    asking = room.check_free
    for module in (replacing, launch):
        module.check_free = lambda *_: None
    try:
        yield
    finally:
        for module in (replacing, launch):
            module.check_free = asking


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
