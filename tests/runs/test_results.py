"""Results that are whole by their checksum and none that a stage would write."""

import csv

import pytest

from pplr.errors import DataError
from pplr.runs.history import read_evaluation, read_training
from pplr.runs.progress import read_history
from pplr.storage.json_files import write_json

TRAINING = {"part_loss": 2.1, "lr": 3.5e-4}
EVALUATION = {"mAP": 0.5, "rank1": 1.0, "rank5": 1, "rank10": 1.0, "num_valid_queries": 24}
NO_NUMBERS = ["NaN", float("nan"), float("inf"), [1], {}, True, "0.5"]


def refused(read, path, values):
    write_json(path, values)
    with pytest.raises(DataError, match=f"`{path.name}` cannot be read") as caught:
        read(path)
    return str(caught.value)


def test_what_stages_write_is_read(tmp_path):
    for read, values in (
        (read_training, TRAINING),
        (read_evaluation, EVALUATION),
        (read_evaluation, {**dict.fromkeys(EVALUATION), "num_valid_queries": 0}),
    ):
        write_json(tmp_path / "00.json", values)
        assert read(tmp_path / "00.json") == values


@pytest.mark.parametrize("value", [*NO_NUMBERS, None])
@pytest.mark.parametrize("key", ["lr", "part_loss"])
def test_losses_that_are_no_numbers(tmp_path, key, value):
    assert f"`{key}` is {value!r}" in refused(
        read_training, tmp_path / "00.json", TRAINING | {key: value}
    )


@pytest.mark.parametrize("value", [*NO_NUMBERS, -0.1, 1.1])
@pytest.mark.parametrize("key", ["mAP", "rank10"])
def test_metrics_that_are_no_fractions(tmp_path, key, value):
    assert f"`{key}` is {value!r}" in refused(
        read_evaluation, tmp_path / "00.json", EVALUATION | {key: value}
    )


def test_keys_that_are_missing_or_of_another_file(tmp_path):
    path = tmp_path / "00.json"
    assert "it has no `lr`" in refused(read_training, path, {"part_loss": 1.0})
    assert "`clusters` is 3" in refused(read_training, path, TRAINING | {"clusters": 3})
    assert "`alternation` is 1" in refused(read_evaluation, path, EVALUATION | {"alternation": 1})
    for key in EVALUATION:
        without = {name: value for name, value in EVALUATION.items() if name != key}
        assert f"it has no `{key}`" in refused(read_evaluation, path, without)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"alternation,mAP\n00,high\n", "line 2: mAP is 'high', no number"),
        (b"alternation,mAP\ninit,0.5\n00,nan\n", "line 3: mAP is 'nan', no number"),
        (b"alternation,mAP\n00,0.1,5\n", "line 2 is no row of a history"),
        (b"alternation,mAP\n00\n", "line 2 is no row of a history"),
        (b"a,b\n1,2\n", "line 2 is no row of a history"),
        (b"\xff\xfe\n", "UnicodeDecodeError"),
        (b"alternation\n" + b"9" * 200_000, "field larger than field limit"),
    ],
)
def test_a_table_that_is_no_history(tmp_path, content, said):
    path = tmp_path / "history.csv"
    path.write_bytes(content)
    limit = csv.field_size_limit(131_072)  # the default, which libraries raise
    try:
        with pytest.raises(DataError, match=r"`history.csv` cannot be read") as caught:
            read_history(path)
    finally:
        csv.field_size_limit(limit)
    assert said in str(caught.value)
