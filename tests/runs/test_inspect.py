"""What is shown of a run, an alternation, a cluster and an image is what its arrays hold."""

import json
import shutil

import numpy as np
import pytest

from pplr.errors import DataError, MissingInputError
from pplr.runs import open_run
from pplr.runs.inspect import (
    find_image,
    inspect_alternation,
    inspect_cluster,
    inspect_image,
    inspect_run,
)
from pplr.runs.inspect_words import alternation_words, cluster_words, image_words, run_words
from tests.tiny import TINY


def test_a_run(run):
    facts = inspect_run(run)
    assert facts["images"] == {name: len(run.split(name)) for name in ("train", "query", "gallery")}
    assert {name: values["here"] for name, values in facts["changed"].items()} == TINY
    assert facts["changed"]["k"] == {"here": 5, "preset": 12}
    assert facts["history"] == run.history()
    assert facts["unfinished"] is None
    text = run_words(facts)
    assert "48 train" in text
    assert "k: 5  (preset 12)" in text


def test_a_run_in_progress(copy):
    for group in ("clusters", "agreement"):
        shutil.rmtree(copy.paths.arrays("01", group))
    facts = inspect_run(open_run(copy.paths.root))
    assert "features extracted, not clustered" in facts["unfinished"]
    assert "dvc repro" in run_words(facts)
    with pytest.raises(MissingInputError, match="no clusters of 01"):
        inspect_alternation(copy, "01")
    assert inspect_image(copy, 0)["alternation"] == "00"


def test_an_image_while_the_agreement_is_computed(copy):
    shutil.rmtree(copy.paths.arrays("01", "agreement"))
    facts = inspect_image(copy, 7)
    assert (facts["alternation"], list(facts["neighbours"])) == ("01", ["global"])
    before = image_words(facts).split("\n\n")[1].splitlines()
    assert before[0].split()[:5] == ["alternation", "cluster", *["agreement", "1", "agreement"]]
    assert len(before[1].split()) > 4  # of 00


def test_an_alternation(run):
    facts = inspect_alternation(run, "01", extremes=3)
    labels = run.alternation("01").pseudo_labels[:]
    agreement = run.alternation("01").cross_agreement[:]
    assert facts["outliers"] == (labels < 0).sum()
    assert facts["sizes"] == sorted(np.bincount(labels[labels >= 0]).tolist(), reverse=True)
    assert facts["largest"][0]["size"] == facts["sizes"][0]
    purities = [one["purity"] for one in facts["most_mixed"]]
    assert purities == sorted(purities)
    means = agreement.mean(axis=1)
    assert facts["lowest"][0]["row"] == means.argmin()
    assert np.mean(facts["highest"][0]["agreement"]) == pytest.approx(means.max())
    for part, found in enumerate(facts["agreement"]):
        assert sum(found["histogram"]) == len(labels)
        assert found["histogram"][0] == (agreement[:, part] < 0.1).sum()
        assert found["mean"] == pytest.approx(agreement[:, part].mean())
    text = alternation_words(facts)
    assert f"{facts['outliers']} outliers" in text
    assert "for looking only" in text


def test_without_identities_no_purity_is_shown(run, monkeypatch):
    unknown = property(lambda split: np.full(len(split), -1, np.int32))
    monkeypatch.setattr("pplr.runs.pieces.Split.pids", unknown)
    facts = inspect_alternation(run, "01")
    assert facts["adjusted_rand_index"] is None
    assert "most_mixed" not in facts
    assert "purity" not in alternation_words(facts)
    cluster = inspect_cluster(run, "01", 0)
    assert cluster["purity"] is None
    assert "purity" not in cluster_words(cluster)
    assert "identity" not in image_words(inspect_image(run, 0))


def test_a_cluster(run):
    facts = inspect_cluster(run, "01", 1)
    labels = {name: run.alternation(name).pseudo_labels[:] for name in ("00", "01")}
    rows = np.flatnonzero(labels["01"] == 1)
    assert [one["row"] for one in facts["images"]] == rows.tolist()
    before = labels["00"][rows].tolist()
    assert facts["before"] == {label: before.count(label) for label in set(before)}
    assert facts["after"] is None
    assert facts["cluster"] not in [one["cluster"] for one in facts["nearest"]]
    text = cluster_words(facts)
    assert facts["images"][0]["path"] in text
    assert "in the alternation before: " in text
    assert inspect_cluster(run, "00", 0)["before"] is None
    assert sum(inspect_cluster(run, "00", 0)["after"].values()) == (labels["00"] == 0).sum()


def test_an_image(run):
    facts = inspect_image(run, 7)
    last = run.alternation("01")
    assert facts["alternation"] == "01"
    assert facts["neighbours"]["global"] == last.ranked_list[7][:5].tolist()
    assert facts["neighbours"]["part 2"] == last.ranked_lists[7][1].tolist()
    assert facts["through"]["00"]["pseudo_label"] == run.alternation("00").pseudo_labels[7]
    assert facts["through"]["01"]["agreement"] == last.cross_agreement[7].tolist()
    drawn = {row for row in range(48) if last.refined_classes[row][0] >= 0}
    row = min(drawn)
    refined = inspect_image(run, row)["through"]["01"]["refined_label"]
    assert refined[0]["cluster"] == last.refined_classes[row][0]
    assert refined[0]["weight"] == last.refined_weights[row][0] > 1 / 3
    words = f"{refined[0]['cluster']}: {refined[0]['weight']:.2f}, "
    assert words in image_words(inspect_image(run, row))
    left = inspect_image(run, min(set(range(48)) - drawn))
    assert left["through"]["01"]["refined_label"] == []
    assert "not trained on" in image_words(left)
    shown = {one["row"] for one in facts["images"]}
    assert shown == {row for ranked in facts["neighbours"].values() for row in ranked}
    text = image_words(facts)
    shared = sum(
        row in facts["neighbours"]["global"]
        for space, ranked in facts["neighbours"].items()
        for row in ranked
        if space != "global"
    )
    assert text.count("*") == shared + 1  # and the legend's
    assert inspect_image(run, 7, "00", k=2)["neighbours"]["global"] == (
        run.alternation("00").ranked_list[7][:2].tolist()
    )


def test_all_of_it_is_json(run):
    facts = [
        inspect_run(run),
        inspect_alternation(run, "00"),
        inspect_cluster(run, "00", 0),
        inspect_image(run, 0),
    ]
    for one in facts:
        json.dumps(one, allow_nan=False)


def test_images_by_row_and_by_path(run):
    path = str(run.split("train").paths[9])
    assert find_image(run, "9") == find_image(run, path) == find_image(run, path[-24:]) == 9
    with pytest.raises(DataError, match="names no training image"):
        find_image(run, "nobody.jpg")
    with pytest.raises(DataError, match="several"):
        find_image(run, ".jpg")
    with pytest.raises(DataError, match="rows 0 to 47"):
        find_image(run, "48")


def test_a_whole_path_is_not_the_end_of_another(run, monkeypatch):
    paths = np.array(["a/x.jpg", "x.jpg", *map(str, range(46))], object)
    monkeypatch.setattr("pplr.runs.pieces.Split.paths", property(lambda _: paths))
    assert find_image(run, "x.jpg") == 1
    assert find_image(run, "a/x.jpg") == 0


def test_a_path_cannot_move_the_cursor(run):
    facts = inspect_image(run, 0)
    facts["path"] = facts["images"][0]["path"] = "a\x1b[2J\nb.jpg"
    text = image_words(facts)
    assert "\x1b" not in text
    assert text.count("a\\x1b[2J\\nb.jpg") == 2


@pytest.mark.parametrize("cluster", [-1, 10**6])
def test_clusters_that_are_not_there(run, cluster):
    with pytest.raises(DataError, match="no such cluster"):
        inspect_cluster(run, "00", cluster)
