import zlib

import numpy as np
import pytest

from pplr.errors import DataError, MissingInputError
from pplr.storage.json_files import read_json, write_json


def test_json_by_hand(tmp_path):
    path = tmp_path / "results" / "00.json"
    write_json(path, {"mAP": 0.5, "num_valid_queries": 3})
    checksum = zlib.crc32(b'{\n  "mAP": 0.5,\n  "num_valid_queries": 3\n}\n')
    lines = '{\n  "mAP": 0.5,\n  "num_valid_queries": 3,\n'
    assert path.read_text() == f'{lines}  "checksum": {checksum}\n}}\n'
    assert read_json(path) == {"mAP": 0.5, "num_valid_queries": 3}


def test_json_that_cannot_be_written_leaves_the_old(tmp_path):
    path = tmp_path / "00.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": np.float32(1)})
    assert read_json(path) == {"a": 1}


def test_json_that_is_not_there(tmp_path):
    with pytest.raises(MissingInputError, match="A file of the run is missing"):
        read_json(tmp_path / "none.json")


def test_json_that_the_system_refuses_is_not_called_damaged(tmp_path):
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(IsADirectoryError):
        read_json(tmp_path / "folder.json")


def test_no_flipped_bit_changes_a_result_unnoticed(tmp_path):
    path = tmp_path / "00.json"
    values = {"mAP": 0.71234, "rank1": None, "num_valid_queries": 384}
    write_json(path, values)
    content = path.read_bytes()
    unnoticed = 0
    for position in range(len(content)):
        for bit in range(8):
            flipped = bytearray(content)
            flipped[position] ^= 1 << bit
            path.write_bytes(flipped)
            try:
                read = read_json(path)
            except DataError:
                continue
            unnoticed += 1
            assert read == values
    assert unnoticed < 20  # one white space for another


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"{}", b"5", b'{"a": 1}', b"\xff"])
def test_json_that_nobody_wrote(tmp_path, content):
    (tmp_path / "00.json").write_bytes(content)
    with pytest.raises(DataError, match=r"`00\.json` cannot be read"):
        read_json(tmp_path / "00.json")
