import numpy as np
import pytest

from pplr.storage.json_files import read_json, write_json


def test_json_by_hand(tmp_path):
    path = tmp_path / "results" / "00.json"
    write_json(path, {"mAP": 0.5, "num_valid_queries": 3})
    assert path.read_text() == '{\n  "mAP": 0.5,\n  "num_valid_queries": 3\n}\n'
    assert read_json(path) == {"mAP": 0.5, "num_valid_queries": 3}


def test_json_that_cannot_be_written_leaves_the_old(tmp_path):
    path = tmp_path / "00.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": np.float32(1)})
    assert read_json(path) == {"a": 1}
