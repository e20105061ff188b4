import errno
import os
import shutil

import pytest

from pplr.errors import NoRoomError, WeightsError, worded
from pplr.storage.checks import in_words
from pplr.storage.replacing import check_room, replacing
from pplr.storage.room import refusals_named

MB = 10**6


@pytest.fixture
def ten_megabytes_free(monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=10 * MB)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)


@pytest.mark.usefixtures("ten_megabytes_free")
def test_an_output_needs_room_for_dvcs_copy_too(tmp_path):
    path = tmp_path / "a" / "out"
    check_room(path, 2 * MB)  # and twice that, and four megabytes
    with pytest.raises(NoRoomError) as caught:
        check_room(path, 5 * MB)
    assert str(caught.value).splitlines()[:4] == [
        "There is no room on the disk for what is to be written.",
        f"  where:   {path}",
        "  found:   10 MB free, 14 MB needed: 4.2 MB missing",
        "  allowed: room for it, for DVC's copy of what is a run's, and for small files",
    ]


@pytest.mark.usefixtures("ten_megabytes_free")
def test_nothing_is_begun_without_room(tmp_path):
    with pytest.raises(NoRoomError), replacing(tmp_path / "out", 5 * MB):
        pytest.fail("the block has begun")
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_has_left_is_cleared_before_its_room_is_asked_for(tmp_path):
    (tmp_path / ".out.abcd_123.partial").mkdir()
    check_room(tmp_path / "out", 0)
    assert not list(tmp_path.iterdir())


FULL = [
    OSError(errno.ENOSPC, "No space left on device"),  # of Zarr's, without a path
    OSError(errno.EDQUOT, "Disk quota exceeded", "inside"),
    ValueError("Error while serializing: I/O error: No space left on device (os error 28)"),
]


@pytest.mark.parametrize("error", FULL)
def test_a_full_disk_in_the_middle_is_named_with_path_and_sizes(tmp_path, error):
    path = tmp_path / "out"
    path.write_text("old")

    def fill():
        with replacing(path, 3 * MB) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(NoRoomError) as caught:
        fill()
    assert caught.value.where == str(path)
    assert "10 MB needed: " in str(caught.value)
    said = os.strerror(errno.EDQUOT if "quota" in str(error) else errno.ENOSPC)
    assert said in str(caught.value)  # there is room now: a quota, or the number of files
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


def test_a_stage_that_fills_the_disk_elsewhere_is_told_so_and_its_outputs_are_told_best(tmp_path):
    with pytest.raises(NoRoomError) as caught, refusals_named(tmp_path, 0):
        raise FULL[0]  # Numba's cache, say
    assert caught.value.where == str(tmp_path)
    own = caught.value
    with pytest.raises(NoRoomError) as caught, refusals_named(tmp_path / "other", 0):
        raise own
    assert caught.value is own


def test_an_output_within_an_output_is_named_by_the_outer_one(tmp_path, monkeypatch):
    def fill():
        with replacing(tmp_path / "model", MB) as temporary:
            temporary.mkdir()
            usage = shutil.disk_usage("/")._replace(free=0)
            monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
            with replacing(temporary / "settings.json"):
                raise FULL[0]

    with pytest.raises(NoRoomError) as caught:
        fill()
    assert caught.value.where == str(tmp_path / "model")
    assert "0 bytes free, 6.2 MB needed: 6.2 MB missing" in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EFBIG, "File too large"),  # of `ulimit -f`
        ValueError("I/O error: File too large (os error 27)"),
        ValueError("I/O error: Input/output error (os error 5)"),
    ],
)
def test_other_refusals_have_a_path_and_pass(tmp_path, error):
    with pytest.raises(OSError, match="out") as caught, replacing(tmp_path / "out"):
        raise error
    told = str(worded(caught.value))
    assert f"where:   {tmp_path / 'out'}\n" in told
    assert ("ulimit -f" in told) == ("large" in told)


TOLD = WeightsError("No (os error 28)", where="a", value="b", allowed="c", next_step="d")


@pytest.mark.parametrize("error", [KeyError("x"), PermissionError(13, "no", "there"), TOLD])
def test_other_errors_pass_as_they_are(tmp_path, error):
    with pytest.raises(type(error)) as caught, replacing(tmp_path / "out"):
        raise error
    assert caught.value is error


def test_sizes_in_words():
    sizes = {0: "0 bytes", 999: "999 bytes", 1000: "1.0 kB", 9_949: "9.9 kB", 9_951: "10 kB"}
    sizes |= {999_499: "999 kB", 999_500: "1.0 MB", 4_833_000_000: "4.8 GB", 3 * 10**15: "3000 TB"}
    assert {size: in_words(size) for size in sizes} == sizes
