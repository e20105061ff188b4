"""The sheets of a run show what its arrays hold."""

import re

import numpy as np
import pytest

from pplr.figures import sheets
from pplr.figures.choosing import evenly
from pplr.figures.sheets import SHEETS, draw_sheet
from pplr.figures.tiles import RIGHT, WRONG
from pplr.runs.pieces import Alternation, Split
from pplr.storage.layout import RunPaths


@pytest.fixture
def strips_of(run, monkeypatch):
    """Return the strips of a sheet, before they are drawn."""

    def strips_of(name):
        with monkeypatch.context() as patched:
            patched.setattr(sheets, "draw_strips", lambda strips, **_: strips)
            return draw_sheet(run, name)

    return strips_of


def last(run):
    return run.alternation(run.schedule.last)


@pytest.fixture
def changed(monkeypatch):
    """Change what an array of all alternations or splits holds."""

    def changed(kind, name, change):
        before = getattr(kind, name).fget
        monkeypatch.setattr(kind, name, property(lambda self: change(before(self)[:])))

    return changed


def test_the_stage_writes_every_sheet(run):
    for name in SHEETS:
        with sheets.Image.open(run.paths.figure(name)) as written:
            drawn = draw_sheet(run, name)
            np.testing.assert_array_equal(np.asarray(written), np.asarray(drawn))
            assert len(np.unique(np.asarray(drawn).reshape(-1, 3), axis=0)) > 2
    assert {RunPaths().figure(name).name for name in SHEETS} == {f"{name}.png" for name in SHEETS}


def test_queries_have_their_nearest_as_the_metric_ranks_them(run, strips_of):
    query, gallery = run.split("query"), run.split("gallery")
    precisions, ranked = last(run).average_precision[:], last(run).gallery_ranked_list[:]
    strips = strips_of("queries")
    paths = query.paths[:].tolist()
    shown = [next(i for i, path in enumerate(paths) if path in strip.title) for strip in strips]
    assert {int(np.argmin(np.where(precisions < 0, 2, precisions)))} <= set(shown)
    assert (precisions[shown] >= 0).all()
    for row, strip in zip(shown, strips, strict=True):
        assert f"{precisions[row]:.2f}" in strip.title
        np.testing.assert_array_equal(np.asarray(strip.lead.picture), query.images[row])
        for rank, tile in enumerate(strip.tiles):
            other = ranked[row, rank]
            np.testing.assert_array_equal(np.asarray(tile.picture), gallery.images[other])
            right = gallery.pids[other] == query.pids[row]
            assert tile.frame == (RIGHT if right else WRONG)
            assert tile.words == (str(rank + 1), f"camera {gallery.camids[other]}")
            assert not right or gallery.camids[other] != query.camids[row]


def test_clusters_are_the_largest_purest_and_most_mixed(run, strips_of):
    labels, pids = last(run).pseudo_labels[:], run.split("train").pids[:]
    sizes = np.bincount(labels[labels >= 0])
    strips = strips_of("clusters")
    assert strips[0].title.startswith("largest: cluster ")
    assert f"{sizes.max()} images" in strips[0].title
    kinds = [strip.title.split(":")[0] for strip in strips]
    assert list(dict.fromkeys(kinds)) == ["largest", "purest", "most mixed"]
    for strip in strips:
        cluster = int(strip.title.split("cluster ")[1].split(",")[0])
        members = np.flatnonzero(labels == cluster)
        majority = np.bincount(pids[members]).argmax()
        purity = (pids[members] == majority).mean()
        assert f"purity {purity:.0%}" in strip.title
        rights = [tile.frame == RIGHT for tile in strip.tiles]
        shown = members[evenly(len(members), sheets.MEMBERS)]
        assert rights == (pids[shown] == majority).tolist()


def test_extreme_images_are_darkened_by_their_agreement(run, strips_of):
    means = np.mean([run.alternation(one).cross_agreement[:] for one in ("00", "01")], axis=0)
    highest, lowest = strips_of("agreement")
    images = run.split("train").images
    for strip, row in ((highest, means.mean(axis=1).argmax()), (lowest, means.mean(1).argmin())):
        tile = strip.tiles[0]
        expected = sheets.darkened(
            images[row], last(run).cross_agreement[:][row], means[row], height=sheets.HEIGHT
        )
        np.testing.assert_array_equal(np.asarray(tile.picture), np.asarray(expected))
        assert tile.words[1] == f"mean {means[row].mean():.2f}"


def test_outliers_have_their_nearest(run, strips_of, changed):
    changed(Alternation, "pseudo_labels", lambda labels: np.where(np.arange(48) == 7, -1, 0))
    (strip,) = strips_of("outliers")
    train = run.split("train")
    nearest = last(run).ranked_list[:][7]
    np.testing.assert_array_equal(np.asarray(strip.lead.picture), train.images[7])
    assert strip.title == train.paths[:][7]
    for other, tile in zip(nearest, strip.tiles, strict=False):
        np.testing.assert_array_equal(np.asarray(tile.picture), train.images[other])
        assert tile.frame == (RIGHT if train.pids[:][other] == train.pids[:][7] else WRONG)
        assert tile.words[0] == "cluster 0"


@pytest.mark.parametrize(
    ("name", "kind", "array", "change"),
    [
        ("queries", Alternation, "gallery_ranked_list", lambda ranked: ranked[:, ::-1]),
        ("clusters", Alternation, "pseudo_labels", lambda labels: labels[::-1]),
        ("agreement", Alternation, "cross_agreement", lambda agreement: 1 - agreement),
        ("outliers", Alternation, "pseudo_labels", lambda labels: np.full_like(labels, -1)),
    ],
)
def test_a_sheet_changes_with_the_data_and_only_with_it(run, changed, name, kind, array, change):
    before, again = draw_sheet(run, name), draw_sheet(run, name)
    assert before.tobytes() == again.tobytes()
    changed(kind, array, change)
    assert draw_sheet(run, name).tobytes() != before.tobytes()


def test_without_identities_nothing_is_called_right_or_wrong(run, strips_of, changed):
    changed(Split, "pids", lambda pids: np.full_like(pids, -1))
    changed(Alternation, "average_precision", lambda values: np.full_like(values, -1))
    (queries,) = strips_of("queries")
    assert "no query has a known identity" in queries.words
    clusters = strips_of("clusters")
    assert not any("purity" in strip.title for strip in clusters)
    assert any(strip.title.startswith("of lowest agreement") for strip in clusters)
    changed(Alternation, "pseudo_labels", lambda labels: np.full_like(labels, -1))
    for strip in [*clusters, *strips_of("outliers")]:
        assert strip.tiles
        assert not any(tile.frame for tile in strip.tiles)


def test_without_clusters_or_outliers_the_sheet_says_so(run, strips_of, changed):
    changed(Alternation, "pseudo_labels", lambda labels: np.zeros_like(labels))
    (strip,) = strips_of("outliers")
    assert strip.words == "every image is in a cluster"
    changed(Alternation, "pseudo_labels", lambda labels: np.full_like(labels, -1))
    (strip,) = strips_of("clusters")
    assert strip.words == "there is no cluster"
    assert draw_sheet(run, "clusters").height > 60


def test_a_title_is_one_line_whatever_a_file_is_called(run, strips_of, changed):
    names = [f"{'x' * 4000}{row}.jpg" if row % 2 else f"a\nb\u202e{row}.jpg" for row in range(48)]
    changed(Split, "paths", lambda paths: np.array(names[: len(paths)], dtype=object))
    changed(Alternation, "pseudo_labels", lambda labels: np.full_like(labels, -1))
    for name in ("queries", "outliers"):
        titles = [strip.title for strip in strips_of(name)]
        assert all(title.isprintable() and len(title) < 150 for title in titles)
        assert any("a\\nb\\u202e" in title for title in titles)
        assert any(re.search(r"…x+\d+\.jpg", title) for title in titles) or name == "outliers"
        assert draw_sheet(run, name).width < 3000
