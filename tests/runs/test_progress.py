import shutil

import pytest

from pplr.errors import DataError, MissingInputError
from pplr.runs import open_run
from pplr.runs.history import format_csv
from pplr.runs.progress import (
    check_finished,
    format_history,
    how_far,
    read_history,
    result_words,
)
from pplr.storage.arrays import read_arrays, write_arrays
from pplr.storage.layout import RunPaths
from tests.runs.rows import ROWS
from tests.tiny import tiny_schedule

SCHEDULE = tiny_schedule()

# what an alternation loses first comes last; from the end of the tiny run to its start
BACKWARDS = (
    ("data/history.csv", "every alternation is there, not summarized"),
    ("data/results/evaluation/init.json", "alternation 01 (2 of 2): trained; not evaluated: init"),
    (
        "data/results/evaluation/01.json",
        "alternation 01 (2 of 2): trained; not evaluated: init, 01",
    ),
    ("data/results/training/01.json", "alternation 01 (2 of 2): agreement computed, not trained"),
    (
        "data/alternations/01/agreement.zarr",
        "alternation 01 (2 of 2): clustered, agreement not computed",
    ),
    (
        "data/alternations/01/clusters.zarr",
        "alternation 01 (2 of 2): features extracted, not clustered",
    ),
    ("data/alternations/01/features.zarr", "alternation 00 (1 of 2): trained"),
    ("data/alternations/00/features.zarr", "init: made, not evaluated"),
    ("data/models/init", "init: not made"),
    ("data/dataset.zarr", "the images are not prepared"),
)


@pytest.fixture
def run(copy):
    """A run to be damaged."""
    return copy


def remove(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def cells(row):
    """Return which columns of a table a row has values in."""
    return {name for name, value in row.items() if value is not None}


def test_a_finished_run(tiny_run):
    run = open_run(tiny_run)
    assert run.how_far() is None
    check_finished(run.paths, run.schedule)
    assert format_csv(run.history()).encode() == run.paths.history.read_bytes()


def test_how_far_a_run_is_in_words(run):
    for path, words in BACKWARDS:
        remove(run.paths.root / path)
        assert run.how_far() == words
        if path != "data/history.csv":
            with pytest.raises(MissingInputError, match="The run is not finished") as caught:
                check_finished(run.paths, run.schedule)
            assert f"found:   {words}" in str(caught.value)


def test_the_history_of_a_run_in_progress(run):
    whole = run.history()
    assert [row["alternation"] for row in whole] == ["init", "00", "01"]
    training = {"part_loss", "global_loss", "triplet_loss", "lr"}
    metrics = {"mAP", "rank1", "rank5", "rank10", "num_valid_queries"}
    assert cells(whole[0]) == {"alternation", *metrics}
    agreement = {"agreement", "agreement_1", "agreement_2", "agreement_3"}
    clusters = {"alternation", "clusters", "outliers", "adjusted_rand_index"}
    assert cells(whole[2]) == clusters | agreement | training | metrics
    steps = (
        ("results/evaluation/01.json", clusters | agreement | training),
        ("results/training/01.json", clusters | agreement),
        ("alternations/01/agreement.zarr", clusters),
        ("alternations/01/clusters.zarr", {"alternation"}),
    )
    for path, columns in steps:
        remove(run.paths.data / path)
        rows = run.history()
        assert rows[:2] == whole[:2]
        assert cells(rows[2]) == columns
        assert rows[2].items() <= whole[2].items()
        format_history(rows)
    remove(run.paths.arrays("01", "features"))
    assert run.history() == whole[:2]
    remove(run.paths.dataset)
    assert run.history() == []


def test_what_lies_behind_a_gap_is_of_an_earlier_run(run):
    remove(run.paths.arrays("00", "clusters"))
    assert run.alternations == ("00", "01")
    assert [row["alternation"] for row in run.history()] == ["init", "00"]
    assert cells(run.history()[1]) == {"alternation"}  # no agreement, no losses
    assert run.how_far() == "alternation 00 (1 of 2): features extracted, not clustered"


def test_what_is_of_other_images_is_of_an_earlier_run(run):
    path = run.paths.arrays("01", "clusters")
    labels, ranked = read_arrays(path, "pseudo_labels", "ranked_list")
    write_arrays(path, {"pseudo_labels": labels, "ranked_list": ranked}, digest="another")
    assert run.how_far() == "alternation 01 (2 of 2): features extracted, not clustered"
    assert cells(run.history()[2]) == {"alternation"}


def test_a_damaged_array_is_no_gap(run):
    file = next((run.paths.arrays("01", "clusters") / "pseudo_labels" / "c").rglob("0"))
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(DataError, match="`pseudo_labels/c/0` cannot be read"):
        run.history()


def test_an_empty_folder_is_no_run_yet(tmp_path):
    assert how_far(RunPaths(tmp_path), SCHEDULE, []) == "the images are not prepared"


# --- the table -----------------------------------------------------------------------------


def test_the_table_by_hand(tmp_path):
    table = (
        "alternation  clusters  outliers    ARI  agreement 1  agreement 2    mAP  Rank-1\n"
        "       init                                                       0.250   0.500\n"
        "         00         7        12  0.500        0.125        0.062\n"
        "         01        10         0  0.750        0.250        0.313  0.500   1.000"
    )
    assert format_history(ROWS) == table
    (tmp_path / "history.csv").write_text(format_csv(ROWS))
    assert format_history(read_history(tmp_path / "history.csv")) == table


def test_a_table_without_known_identities():
    rows = [{"alternation": "init", "mAP": None, "rank1": None}]
    assert format_history(rows) == (
        "alternation  clusters  outliers  ARI  mAP  Rank-1\n       init"
    )


# --- the result ----------------------------------------------------------------------------


def test_the_last_is_the_result_and_a_better_one_is_marked():
    rows = [
        {"alternation": "init", "mAP": 0.25, "rank1": 0.5},
        {"alternation": "00", "mAP": 0.75, "rank1": 0.875},
        {"alternation": "01", "mAP": "", "rank1": ""},
        {"alternation": "02", "mAP": 0.5, "rank1": 0.625},
    ]
    assert result_words(rows).splitlines() == [
        "The result is the last alternation, 02: mAP 0.500, Rank-1 0.625.",
        "The best, chosen by test labels and so no result: 00, mAP 0.750, Rank-1 0.875.",
    ]
    assert len(result_words(rows[:2]).splitlines()) == 1
    assert result_words([{"alternation": "00", "mAP": None}]) is None
