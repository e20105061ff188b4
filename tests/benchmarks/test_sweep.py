"""Sweeps: names, values, table and picture; running the queue is in tests/stages/test_sweep.py."""

import csv

import pytest
from PIL import Image

from benchmarks import ablation, sweep
from benchmarks.experiments import draw_curves
from pplr.errors import SettingError

FOUND = [
    [{"mAP": 0.25, "rank1": 0.5}, {"mAP": 0.75, "rank1": 0.5}],
    [{"mAP": 0.5, "rank1": 0.75}, {"mAP": 0.5, "rank1": 0.25}],
]


def test_every_value_and_seed_has_a_name_of_its_own():
    names = sweep.experiments("beta", [0.1, 0.3], 2)
    assert list(names.values()) == [
        {"beta": 0.1, "seed": 1},
        {"beta": 0.3, "seed": 1},
        {"beta": 0.1, "seed": 2},
        {"beta": 0.3, "seed": 2},
    ]
    assert all(name.replace("-", "").isalnum() for name in names)
    rows = ablation.experiments(3)
    assert len(rows) == 39
    assert {one["seed"] for one in rows.values()} == {1, 2, 3}


@pytest.mark.parametrize(
    ("setting", "words", "text"),
    [
        ("btea", ["0.1"], "did you mean `beta`"),
        ("beta", ["0.1", "1.5"], "1.5"),
        ("k", ["many"], "many"),
        ("seed", ["1", "2"], "--seeds N"),
    ],
)
def test_a_typo_ends_before_anything_is_queued(monkeypatch, setting, words, text):
    monkeypatch.setattr("sys.argv", ["sweep", setting, *words])
    monkeypatch.setattr(sweep, "run_queue", lambda *_, **__: pytest.fail("queued"))
    with pytest.raises(SystemExit, match=text):
        sweep.main()


def test_values_are_sorted_and_keep_their_type():
    assert sweep.read_values("k", ["20", "5", "20"]) == [5, 20]
    assert sweep.read_values("beta", ["0.5", "0.1"]) == [0.1, 0.5]
    assert sweep.read_values("lr", ["3e-4", "1e-4"]) == [1e-4, 3e-4]
    with pytest.raises(SettingError, match="A sweep is over numbers") as error:
        sweep.read_values("pooling", ["gem", "mean"])
    assert "the values of pooling" in str(error.value)


def test_without_identities_the_table_is_of_the_labels(tmp_path, capsys):
    found = [[{"clusters": 70.0, "outliers": 30.0, "agreement": 0.25}]] * 2
    sweep.write_table(tmp_path, "eps", [0.4, 0.5], found)
    assert capsys.readouterr().out.splitlines() == [
        "| eps | seeds | clusters | outliers | agreement |",
        "|---|---|---|---|---|",
        "| 0.4 | 1 | 70 | 30 | 0.250 |",
        "| 0.5 | 1 | 70 | 30 | 0.250 |",
    ]
    draw_curves(tmp_path / "eps.png", [0.4, 0.5], found, "eps")
    assert (tmp_path / "eps.png").is_file()


def test_the_table(tmp_path, capsys):
    sweep.write_table(tmp_path, "beta", [0.1, 0.3], FOUND)
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| 0.1 | 2 | 0.500 | 0.500 |",
        "| 0.3 | 2 | 0.500 | 0.500 |",
    ]
    with (tmp_path / "beta.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["mAP"] for row in rows] == ["0.25", "0.75", "0.5", "0.5"]


def test_the_pictures_change_with_the_figures(tmp_path):
    draw_curves(tmp_path / "a.png", [0.1, 0.3], FOUND, "beta")
    draw_curves(tmp_path / "b.png", [0.1, 0.3], FOUND[::-1], "beta")
    ablation.draw_rows(tmp_path / "rows.png", {"Baseline 1": FOUND[0], "PPLR": FOUND[1]})
    pictures = {}
    for name in ("a", "b", "rows"):
        with Image.open(tmp_path / f"{name}.png") as image:
            pictures[name] = image.convert("RGB")
    assert pictures["a"].tobytes() != pictures["b"].tobytes()
    assert pictures["a"].size == (1200, 480)
    assert pictures["rows"].width == 1050
