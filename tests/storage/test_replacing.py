import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import pplr.storage.replacing as replacing_module
from pplr.storage.arrays import write_arrays
from pplr.storage.replacing import replacing
from tests.packing import files_below as all_below


def files_below(folder):
    """Return the bytes of all files but the list of them."""
    return {name: text for name, text in all_below(folder).items() if name != "checksums.json"}


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "out"
    path.mkdir()
    (path / "old.txt").write_text("old")
    return path


def test_success_replaces_all_of_the_old(old):
    with replacing(old) as temporary:
        assert temporary.name == old.name
        assert temporary.parent.parent == old.parent  # the same file system: moving is renaming
        temporary.mkdir()
        (temporary / "new.txt").write_text("new")
        assert files_below(old) == {"old.txt": b"old"}  # until the block ends
    assert files_below(old) == {"new.txt": b"new"}
    assert [path.name for path in old.parent.iterdir()] == ["out"]


def test_all_is_on_the_disk_before_it_counts(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, Path.replace

    def noted_sync(descriptor):
        fsync(descriptor)
        done.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    def noted_replace(path, target):
        done.append("replaced")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    with replacing(tmp_path / "out") as temporary:
        (temporary / "inner").mkdir(parents=True)
        (temporary / "inner" / "new.txt").write_text("new")
    at = done.index("replaced")
    assert {"new.txt", "inner", "checksums.json", "out"} <= set(done[:at])
    assert done[at + 1 :] == [tmp_path.name]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, SystemExit])
def test_failure_leaves_the_old(old, error):
    def fail():
        with replacing(old) as temporary:
            temporary.mkdir()
            (temporary / "half.txt").write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert files_below(old) == {"old.txt": b"old"}
    assert [path.name for path in old.parent.iterdir()] == ["out"]


# What a process does that is killed at a line of `replacing`, by its number among the calls of a
# function.
KILLED = """
import os, signal, sys
from pathlib import Path
from pplr.storage import replacing

function, number = sys.argv[1], int(sys.argv[2])
module = {"Path": Path, "replacing": replacing, "os": os}[function.partition(".")[0]]
name = function.partition(".")[2]
real, calls = getattr(module, name), []

def killing(*arguments):
    calls.append(1)
    if len(calls) == number:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments)

setattr(module, name, killing)
with replacing.replacing(Path("out")) as temporary:
    temporary.mkdir()
    (temporary / "new.txt").write_text("new")
    (temporary / "more.txt").write_text("new")
"""


@pytest.mark.parametrize("what", ["folder", "file"])
@pytest.mark.parametrize(
    ("function", "number"),
    [
        ("Path.write_text", 1),
        ("Path.write_text", 2),
        ("replacing._sync_one", 1),
        ("replacing._sync_one", 3),
        ("Path.rename", 1),
        ("Path.replace", 1),
        ("replacing._sync_one", 5),
        ("replacing.remove", 1),
    ],
)
def test_a_process_killed_anywhere_leaves_the_old_or_the_new(tmp_path, what, function, number):
    old = tmp_path / "out"
    if what == "folder":
        old.mkdir()
        (old / "old.txt").write_text("old")
    else:
        old.write_text("old")
    command = [sys.executable, "-c", KILLED, function, str(number)]
    killed = subprocess.run(command, cwd=tmp_path, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob(".out.*.partial"))) == 1
    assert old.exists() == (function != "Path.replace")  # set aside, to be put back
    with pytest.raises(KeyError), replacing(old):  # the next process, which fails
        raise KeyError
    new = {"new.txt": b"new", "more.txt": b"new"}
    if (function, number) in LATE:
        assert files_below(old) == new
    elif what == "folder":
        assert files_below(old) == {"old.txt": b"old"}
    else:
        assert old.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


LATE = [("replacing._sync_one", 5), ("replacing.remove", 1)]  # the new one is in its place


def test_two_processes_do_not_meet(old):
    with replacing(old) as first:
        first.mkdir()
        (first / "a.txt").write_text("first")
        command = [sys.executable, "-c", KILLED, "Path.unlink", "9"]  # is not killed
        subprocess.run(command, cwd=old.parent, check=True)
        assert files_below(old) == {"new.txt": b"new", "more.txt": b"new"}
        assert files_below(first) == {"a.txt": b"first"}
    assert files_below(old) == {"a.txt": b"first"}
    assert [path.name for path in old.parent.iterdir()] == ["out"]


def test_a_folder_that_another_process_has_stays(old):
    with replacing(old) as first:
        with replacing(old) as second:
            second.mkdir()
        first.mkdir()
        (first / "a.txt").write_text("first")
    assert files_below(old) == {"a.txt": b"first"}


def test_a_folder_of_the_users_is_no_leftover(old):
    own = [old.with_name(name) for name in (".out.backup.partial", ".out.my_files.more.partial")]
    for folder in own:
        folder.mkdir()
        (folder / "mine.txt").write_text("mine")
    left = old.with_name(".out.abcd_123.partial")
    left.mkdir()
    with replacing(old) as temporary:
        temporary.mkdir()
    assert not left.exists()
    assert all((folder / "mine.txt").exists() for folder in own)


@pytest.mark.parametrize("step", ["tempfile.mkdtemp", "remove"])
def test_nobody_clears_a_folder_that_is_being_made(old, monkeypatch, step):
    """Between its making and its lock a temporary folder looks like a leftover."""
    old.with_name(".out.abcd_123.partial").mkdir()
    original = tempfile.mkdtemp if step == "tempfile.mkdtemp" else replacing_module.remove
    alone = []

    def watched(*args, **kwargs):
        other = os.open(old.parent, os.O_RDONLY)
        try:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return pytest.fail(f"{step}, and another process may make or clear folders")
        finally:
            os.close(other)
        alone.append(step)
        monkeypatch.undo()
        return original(*args, **kwargs)

    monkeypatch.setattr(f"pplr.storage.replacing.{step}", watched)
    with replacing(old) as temporary:
        temporary.mkdir()
    assert alone == [step]
    assert [path.name for path in old.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["a**", "[a]", "a?"])
def test_any_name_of_a_file(tmp_path, name):
    with replacing(tmp_path / name) as temporary:
        temporary.write_text("new")
    assert files_below(tmp_path) == {name: b"new"}


def test_missing_folders_are_made(tmp_path):
    with replacing(tmp_path / "a" / "b" / "out.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a" / "b" / "out.txt").read_text() == "new"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_into_the_cache_is_replaced_and_not_written_through(tmp_path, kind):
    cached = tmp_path / "cache"
    if kind == "file":
        cached.write_text("cached")
    else:
        cached.mkdir()
        (cached / "a.txt").write_text("cached")
    link = tmp_path / "out"
    link.symlink_to(cached)
    with replacing(link) as temporary:
        temporary.write_text("new")
    assert link.read_text() == "new"
    assert not link.is_symlink()
    assert (cached if kind == "file" else cached / "a.txt").read_text() == "cached"


def test_a_failed_write_of_arrays_leaves_the_old(group, arrays):
    before = files_below(group)
    with pytest.raises(KeyError):
        write_arrays(group, arrays | {"nobody described this": arrays["global"]}, digest="new")
    assert files_below(group) == before
    assert [path.name for path in group.parent.iterdir()] == [group.name]
