import pytest

from pplr.storage.arrays import write_arrays
from pplr.storage.replacing import replacing
from tests.packing import files_below


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "out"
    path.mkdir()
    (path / "old.txt").write_text("old")
    return path


def test_success_replaces_all_of_the_old(old):
    with replacing(old) as temporary:
        assert temporary.parent == old.parent  # the same file system: moving is renaming
        temporary.mkdir()
        (temporary / "new.txt").write_text("new")
        assert files_below(old) == {"old.txt": b"old"}  # until the block ends
    assert files_below(old) == {"new.txt": b"new"}
    assert [path.name for path in old.parent.iterdir()] == ["out"]


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


def test_what_a_killed_process_left_is_cleared(old):
    leftover = old.parent / ".out.partial"
    leftover.mkdir()
    (leftover / "half.txt").write_text("half")
    with replacing(old) as temporary:
        assert not temporary.exists()
        temporary.write_text("a file this time")
    assert old.read_text() == "a file this time"
    assert [path.name for path in old.parent.iterdir()] == ["out"]


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
