import json
import zlib

import pytest

from pplr.errors import DataError
from pplr.storage import checksums
from pplr.storage.checksums import (
    check_folder,
    file_checksum,
    folder_faults,
    read_checksums,
    write_checksums,
)
from tests.packing import files_below

FILES = {"a.json": b"{}", "b/c/0": b"x" * 1000, "b/d": b""}


@pytest.fixture
def folder(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    write_checksums(tmp_path)
    return tmp_path


def refusal(folder, *, whole=False):
    with pytest.raises(DataError, match="cannot be read") as caught:
        check_folder(folder, whole=whole)
    assert f"where:   {folder}\n" in str(caught.value)
    return str(caught.value)


def test_the_list_by_hand(folder):
    assert read_checksums(folder) == {
        name: (len(content), zlib.crc32(content)) for name, content in FILES.items()
    }
    check_folder(folder)
    check_folder(folder, whole=True)
    before = files_below(folder)
    write_checksums(folder)
    assert files_below(folder) == before


def test_a_checksum_of_many_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(checksums, "_BLOCK", 3)
    (tmp_path / "x").write_bytes(b"0123456789")
    assert file_checksum(tmp_path / "x") == zlib.crc32(b"0123456789")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file(folder, name):
    (folder / name).unlink()
    assert f"`{name}` cannot be read.\n" in refusal(folder)


@pytest.mark.parametrize("name", ["e", "b/e", "b/c/1", ".hidden"])
def test_a_file_that_no_stage_has_written(folder, name):
    (folder / name).touch()
    message = refusal(folder)
    assert f"`{name}` cannot be read.\n" in message
    assert "found:   no stage has written this file" in message


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_size(folder, name):
    with (folder / name).open("ab") as file:
        file.write(b"y")
    size = len(FILES[name])
    assert f"found:   {size + 1} bytes instead of {size}" in refusal(folder)


def test_content_is_compared_of_descriptions_and_of_all_when_asked(folder):
    (folder / "b/c/0").write_bytes(b"y" + b"x" * 999)
    check_folder(folder)  # such files have checksums of their own
    assert "`b/c/0` cannot be read" in refusal(folder, whole=True)
    (folder / "a.json").write_bytes(b"[]")
    assert "`a.json` cannot be read" in refusal(folder)


def test_a_folder_with_a_list_of_its_own_is_one_file(folder):
    write_checksums(folder / "b")
    assert "`b/c/0` cannot be read" in refusal(folder)  # it was not one before
    write_checksums(folder)
    assert set(read_checksums(folder)) == {"a.json", "b/checksums.json"}
    check_folder(folder, whole=True)
    (folder / "b/checksums.json").write_text("{}")
    assert "`b/checksums.json` cannot be read" in refusal(folder)
    (folder / "b/checksums.json").unlink()  # nobody knows what else belongs into b
    assert [name for name, _, _ in folder_faults(folder, whole=True)] == ["b/checksums.json"]


@pytest.mark.parametrize(
    "content", [None, "", "{", "[]", "5", '{"a.json": 2}', '{"a.json": [1, "x"]}', "{}"]
)
def test_a_list_that_is_damaged(folder, content):
    path = folder / "checksums.json"
    path.unlink() if content is None else path.write_text(content)
    refusal(folder)


def test_no_flipped_bit_of_the_list_goes_unnoticed(folder):
    path = folder / "checksums.json"
    content = path.read_bytes()
    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            check_folder(folder, whole=True)
        except DataError:
            continue
        assert json.loads(flipped) == json.loads(content)  # one white space for another
