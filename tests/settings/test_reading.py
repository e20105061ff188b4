"""Settings files that are missing, broken or misspelt."""

import pytest

from pplr.errors import MissingInputError, SettingError
from pplr.settings.params import load_params
from pplr.settings.reading import load_yaml


def test_a_missing_file(tmp_path):
    path = tmp_path / "params.yaml"
    with pytest.raises(MissingInputError, match="A settings file is missing") as caught:
        load_params(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "NoneType"),
        (b"- beta\n- 0.3\n", "list"),
        (b"beta 0.3\n", "str"),
        (b"beta: [0.3\n", "while parsing"),
        (b"beta: 0.3\nbeta: 0.4\n", "duplicate key"),
        (b"beta: 0.3\n---\nbeta: 0.4\n", "another document"),
        (b"beta: \xff\n", "invalid start byte"),
        (b"lr: 2001-99-99\n", "month"),
    ],
)
def test_a_file_that_is_no_yaml_mapping(tmp_path, content, found):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(SettingError, match="no YAML mapping") as caught:
        load_params(path)
    assert found in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_bad_setting_in_a_file_names_the_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("btea: 0.3\n")
    with pytest.raises(SettingError, match="did you mean `beta`") as caught:
        load_params(path)
    assert str(path) in str(caught.value)


def test_yaml_is_read_as_dvc_reads_it(tmp_path):
    serialize = pytest.importorskip("dvc.utils.serialize")
    path = tmp_path / "params.yaml"
    path.write_text("a: 08\nb: 010\nc: yes\nd: 1e-3\ne: 0o7\nf: '1'\ng: ~\nh: .5\n")
    values = load_yaml(path)
    assert values == serialize.load_yaml(str(path))
    assert values["d"] == 0.001
    assert values["c"] == "yes"
