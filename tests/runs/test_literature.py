"""A run's figures below those that the paper prints."""

import pytest

from pplr.runs.literature import WITH_CAMERAS, WITHOUT_CAMERAS, beside_the_literature
from tests.tiny import tiny_params

LAST = {"alternation": "49", "mAP": 0.8125, "rank1": 0.925, "rank5": 0.97, "rank10": 0.98}


def test_the_papers_twelve_systems_and_its_own():
    assert len(WITHOUT_CAMERAS) + len(WITH_CAMERAS) == 12 + 2
    assert {one.system for one in WITHOUT_CAMERAS} & {one.system for one in WITH_CAMERAS} == {
        "PPLR"
    }
    for one in (*WITHOUT_CAMERAS, *WITH_CAMERAS):
        for mAP, *ranks in one.figures.values():
            assert 0 < mAP < ranks[0] < ranks[1] < ranks[2] < 100


@pytest.mark.parametrize(
    ("dataset", "cameras", "lines", "best"),
    [
        ("market1501", False, 8, "81.5"),
        ("market1501", True, 6, "84.4"),
        ("msmt17", True, 5, "42.2"),
        ("veri776", False, 3, "41.6"),
    ],
)
def test_a_run_stands_below_systems_of_its_kind(dataset, cameras, lines, best):
    params = tiny_params(dataset=dataset, camera_aware=cameras)
    text = beside_the_literature(params, LAST, images=12_936)
    table = text.split("\n\n")[1].splitlines()
    assert len(table) == 1 + lines + 1
    assert best in table[-2]
    assert table[-1].split() == ["this", "run", "81.2", "92.5", "97.0", "98.0"]
    assert "printed" in text
    assert ("without camera labels" in text) != cameras
    assert "12,936 training images" in text
    assert "re-ranked" not in text
    text = beside_the_literature(params.model_copy(update={"rerank": True}), LAST, images=1)
    assert "re-ranked, which no other line is" in text


def test_other_data_sets_and_runs_without_figures_have_none():
    assert beside_the_literature(tiny_params(), LAST, images=12_936) is None
    market = tiny_params(dataset="market1501")
    assert beside_the_literature(market, {**LAST, "mAP": None}, images=1) is None
    assert beside_the_literature(market, {"alternation": "03"}, images=1) is None
