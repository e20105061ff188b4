"""Settings files that are missing, broken or misspelt."""

import pytest
from dvc.utils import serialize

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
        (b"beta: " + b"[" * 3000, "nested more than 10 deep"),
        (b"beta: " + b"{a: " * 3000, "nested more than 10 deep"),
        (b"beta:\n  " + b"- " * 3000 + b"x\n", "nested more than 10 deep"),
        (b"beta: &a [1, 2]\nk: [*a, *a, *a]\n", "an alias, *a"),
        (b"#" * 2**21, "more than 1,048,576 characters"),
        (b"beta: " + b"9" * 5000, "a value of more than 2,000 characters"),
        (b"beta: 0x" + b"f" * 5000, "a value of more than 2,000 characters"),
        (b"? 0x" + b"f" * 2**19 + b"\n: 1\n", "a value of more than 2,000 characters"),
        (b"beta: !!bool x\n", "KeyError"),
        (b"beta: !!int x\n", "invalid literal"),
    ],
)
def test_a_file_that_is_no_yaml_mapping(tmp_path, content, found):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(SettingError, match="no YAML mapping") as caught:
        load_params(path)
    assert found in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_mark_of_the_byte_order_is_passed_over(tmp_path):
    (tmp_path / "p.yaml").write_text("beta: 0.3\n", encoding="utf-8-sig")
    assert load_yaml(tmp_path / "p.yaml") == {"beta": 0.3}


def test_a_long_value_is_cut_in_the_error(tmp_path):
    (tmp_path / "p.yaml").write_text(f"beta: {'x' * 100_000}\n")
    with pytest.raises(SettingError) as caught:
        load_params(tmp_path / "p.yaml")
    assert len(str(caught.value)) < 1000


def test_a_bad_setting_in_a_file_names_the_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("btea: 0.3\n")
    with pytest.raises(SettingError, match="did you mean `beta`") as caught:
        load_params(path)
    assert str(path) in str(caught.value)


def test_yaml_is_read_as_dvc_reads_it(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("a: 08\nb: 010\nc: yes\nd: 1e-3\ne: 0o7\nf: '1'\ng: ~\nh: .5\n")
    values = load_yaml(path)
    assert values == serialize.load_yaml(str(path))
    assert values["d"] == 0.001
    assert values["c"] == "yes"
