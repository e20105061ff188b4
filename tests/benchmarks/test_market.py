"""The runs on Market-1501: their settings, and the tables and curves of finished ones."""

import csv
import re
import sys

import pytest
from PIL import Image

from benchmarks import market
from benchmarks.market_tables import (
    COLUMNS,
    LABEL_COLUMNS,
    RUNS,
    finished,
    gather,
    print_tables,
    read,
)
from pplr.settings.params import load_params
from pplr.settings.schedule import load_schedule

HISTORY = (
    {"alternation": "init", "mAP": 0.05, "rank1": 0.1},
    *(
        {
            "alternation": name,
            "clusters": 500 + 10 * int(name),
            "outliers": 4000 - 100 * int(name),
            "adjusted_rand_index": 0.2 + 0.01 * int(name),
            "stability": 0.8 if int(name) else "",
            **{f"agreement_{p}": 0.1 * p for p in (1, 2, 3)},
            **dict.fromkeys(("part_loss", "global_loss", "triplet_loss"), 1.5),
            **({"mAP": 0.2, "rank1": 0.4} if name == "03" else {}),
        }
        for name in ("00", "01", "02", "03")
    ),
)


@pytest.fixture
def results(tmp_path):
    """Results of two runs that differ by 3 points of mAP."""
    for run, more in ((RUNS[0], 0.03), (RUNS[1], 0.0)):
        rows = [{**row, "mAP": row["mAP"] + more} if "mAP" in row else row for row in HISTORY]
        market.append(tmp_path / "market.csv", COLUMNS, run, rows)
        figures = [
            ("auc", "mean", 0.7),
            ("right", "pseudo-labels", 0.8),
            ("entropy", "global", 0.1),
        ]
        figures += [
            (f"decile {of}", str(i), i / 10) for of in ("labels", "mass") for i in range(1, 11)
        ]
        labels = [
            {"alternation": name, "figure": figure, "of": of, "value": value}
            for name in ("00", "03")
            for figure, of, value in figures
        ]
        market.append(tmp_path / "market_labels.csv", LABEL_COLUMNS, run, labels)
    return tmp_path


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.row}, seed {run.seed}")
def test_the_settings_of_a_run(tmp_path, monkeypatch, run):
    data, weights = tmp_path / "Images", tmp_path / "Weights.pth"
    monkeypatch.chdir(tmp_path)
    market.write_settings(run, data, weights)
    params, schedule = load_params(market.PATHS.params), load_schedule(market.PATHS.schedule)
    assert (params.seed, params.backbone, params.height, params.width) == (
        *(run.seed, "mobilenet_v2", 128, 64),
    )
    assert params.camera_aware == ("cameras" in run.row)
    assert params.eps == (0.4 if params.camera_aware else 0.5)
    assert params.samples_per_bn == 16
    refined = (params.part_refinement != "none", params.global_refinement != "none")
    wanted = {"Baseline": (False, False), "+ AALS": (True, False), "+ PGLR": (False, True)}
    assert refined == next((both for row, both in wanted.items() if row in run.row), (True, True))
    assert schedule.evaluated == ("init", "03", "07", "11", "15", "19")
    assert schedule.inputs == {"images": "Images", "weights": "Weights.pth"}


def test_finished_runs_are_not_made_again(results, monkeypatch):
    assert finished(results) == {RUNS[0], RUNS[1]}
    monkeypatch.setattr(market, "repro", lambda: pytest.fail("nothing is missing"))
    market.make_missing(list(RUNS[:2]), results, results, results)
    words = f"run --data-dir {results} --weights {results} --results {results} --seeds 3"
    monkeypatch.setattr(sys, "argv", ["market", *words.split()])
    market.main()  # another process has the others


def test_labels_of_a_run_that_is_being_written_wait_for_its_rows(results):
    labels = read(results / "market_labels.csv")
    more = [{**row, "row": RUNS[4].row, "seed": "1"} for row in labels]
    found = gather(read(results / "market.csv"), labels)
    assert gather(read(results / "market.csv"), [*labels, *more]) == found


def test_columns_that_a_run_lacks_stay_empty(results):
    with (results / "market.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    assert {row["camera_loss"] for row in rows} == {""}
    with pytest.raises(ValueError, match="surprise"):
        market.append(results / "market.csv", COLUMNS, RUNS[2], [{"surprise": 1}])


def test_the_tables_and_the_curves(results, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["market", "--results", str(results)])
    market.main()
    printed = capsys.readouterr().out
    assert "| Baseline 1 | 8.0 / 10.0 · – | 23.0 / 40.0 · – |" in printed
    assert "| PPLR | 5.0 / 10.0 · – | 20.0 / 40.0 · – |" in printed
    images = round(0.8 * (12_936 - 3_700))
    cells = ("530", "3,700", "0.230", "0.80", "80.0", f"{images:,}")
    assert f"| 03 | PPLR | {' · – | '.join(cells)} · – |" in printed  # seed 2 is not there yet
    assert "| 03 | PPLR | 0.10 / 0.20 / 0.30 · – | 0.70 · – |" in printed
    assert "| PPLR | 10 · – | 20 · – | 30 · – |" in printed
    assert "| mAP | -3.0 |" in printed
    with Image.open(results / "market.png") as picture:
        assert picture.width > 1000
        first = picture.tobytes()
    for run in RUNS[2:4]:
        market.append(results / "market.csv", COLUMNS, run, [{**row} for row in HISTORY])
    market.main()
    printed = capsys.readouterr().out
    assert "| Baseline 1 | 8.0 / 10.0 · 5.0 / 10.0 |" in printed
    assert "| mAP | -1.5 ± 1.5 (-3.0, +0.0) |" in printed
    assert "### + AALS" not in printed  # no figure of it
    with Image.open(results / "market.png") as picture:
        assert picture.tobytes() != first


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--weights nothing.pth", "there is no nothing.pth"),
        ("--data-dir nowhere", "there is no nowhere"),
        ("--device cuda:99", "cuda:99"),
        ("--rows PPL", "invalid choice: 'PPL'"),
    ],
)
def test_a_mistake_is_said_before_settings_are_written(
    tmp_path, monkeypatch, capsys, words, message
):
    monkeypatch.chdir(tmp_path)
    given = f"market run --data-dir {tmp_path} --weights {tmp_path} --results {tmp_path} {words}"
    monkeypatch.setattr(sys, "argv", given.split())
    with pytest.raises(SystemExit) as caught:
        market.main()
    assert message in f"{caught.value}{capsys.readouterr().err}"
    assert not market.PATHS.params.exists()


def test_no_run_yet_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["market", "--results", str(tmp_path)])
    with pytest.raises(SystemExit, match="no run is finished yet"):
        market.main()


def test_pairs_are_of_one_file_and_a_missing_figure_is_a_dash(results, capsys):
    found = gather(read(results / "market.csv"), read(results / "market_labels.csv"))
    other = [
        {"row": run.row, "seed": "2", "alternation": name, "mAP": mAP, "processor": "Other"}
        for run, mAP in ((RUNS[2], "0.1"), (RUNS[3], "0.3"))
        for name in ("init", "03")
    ]
    print_tables(found, gather(other, []))
    printed = capsys.readouterr().out
    assert "its standard error (pairs: seed 1, ; seed 2, Other)" in printed
    assert "| mAP | +8.5 ± 11.5 (-3.0, +20.0) |" in printed
    assert "| outliers | +0, – |" in printed


def test_the_tables_of_the_page_are_those_of_the_csv(capsys):
    files = [market.HERE / name for name in ("market.csv", "market_labels.csv", "market_h200.csv")]
    print_tables(gather(read(files[0]), read(files[1])), gather(read(files[2]), []))
    printed = tables_of(capsys.readouterr().out)
    page = (market.HERE / "market.md").read_text().partition("## What it does not show")[0]
    missing = [table for table in tables_of(page) if table not in printed]
    assert not missing, "\n\n".join(missing)


def tables_of(text):
    """The tables of a page in Markdown."""
    return [block for block in re.split(r"\n\s*\n", text.strip()) if block.startswith("|")]
