"""What the pages show is what the arrays hold."""

import html
import io
import re
from dataclasses import replace

import numpy as np
import pytest
import zarr
from PIL import Image

from pplr.figures.masked import darkened
from pplr.runs import open_run
from pplr.runs.differences import label_changes
from pplr.serve import pages
from pplr.serve.look import Look
from pplr.serve.queries import query_page
from pplr.storage.arrays import read_digest
from pplr.storage.checksums import write_checksums
from tests.serve.conftest import served


def rows_of(text, *, alternation="01"):
    """Return the training images that a text leads to, in their order."""
    return [int(row) for row in re.findall(rf"/alternation/{alternation}/image/(\d+)\"", text)]


def labels_of(run, name="01"):
    return run.alternation(name).pseudo_labels[:]


def pixels(answer):
    return np.asarray(Image.open(io.BytesIO(answer.body)))


def test_the_run(ask, run):
    text = ask("/").text
    last = run.history()[-1]
    assert f"mAP {last['mAP']:.3f}, Rank-1 {last['rank1']:.3f}" in text
    assert f"<td>{last['part_loss']:.4g}</td>" in text
    for label in ("Accuracy", "Clusters and outliers", "Mean losses", "Seconds of each epoch"):
        assert f"<figcaption>{label}" in text
    assert '<th scope="row">k</th><td>5</td><td>12</td>' in text
    assert "for looking only" in text
    spoken = re.search(r'aria-label="(Clusters and outliers: [^"]+)"', text).group(1)
    assert spoken.startswith(
        f"Clusters and outliers: clusters from {last_clusters(run, '00')} at 00"
    )


def last_clusters(run, name):
    return int(labels_of(run, name).max()) + 1


@pytest.mark.parametrize("order", ["largest", "doubtful", "purest", "mixed"])
def test_clusters_in_every_order(ask, run, order):
    text = ask(f"/alternation/01?order={order}").text
    shown = [int(one) for one in re.findall(r"/cluster/(\d+)\">Cluster", text)]
    labels, pids = labels_of(run), run.split("train").pids[:]
    assert sorted(shown) == list(range(last_clusters(run, "01")))
    agreement = run.alternation("01").cross_agreement[:]
    values = {
        "largest": [-(labels == one).sum() for one in shown],
        "doubtful": [agreement[labels == one].mean() for one in shown],
        "purest": [-purity(pids[labels == one]) for one in shown],
        "mixed": [purity(pids[labels == one]) for one in shown],
    }[order]
    assert (np.diff(values) >= -1e-6).all()
    strips = text.split("<h3>")[1:]
    for one, strip in zip(shown, strips, strict=True):
        strip = strip.split("<h2>")[0]
        assert f"{(labels == one).sum()} images" in strip
        assert set(rows_of(strip)) <= set(np.flatnonzero(labels == one))


def purity(pids):
    return np.bincount(pids).max() / len(pids)


def test_a_cluster(ask, run):
    labels, before = labels_of(run), labels_of(run, "00")
    members = np.flatnonzero(labels == 2)
    text = ask("/alternation/01/cluster/2").text
    assert rows_of(text) == members.tolist()
    found, counts = np.unique(before[members], return_counts=True)
    for label, count in zip(found, counts, strict=True):
        assert re.search(rf"{count} in <a href=\"/alternation/00/cluster/{label}\"", text)
    nearest = labels[run.alternation("01").ranked_list[:][members]].ravel()
    other = np.bincount(nearest[(nearest >= 0) & (nearest != 2)]).max()
    assert re.search(rf"Nearest clusters[^(]*\({other}\)", text)


def test_an_image(ask, run):
    text = html.unescape(ask("/alternation/01/image/7").text)
    last = run.alternation("01")
    ranked, parts = last.ranked_list[:][7][:5], last.ranked_lists[:][7]
    sections = text.split("<section>")[1:]
    assert rows_of(sections[0]) == ranked.tolist()
    for section, part in zip(sections[1:], parts, strict=True):
        assert rows_of(section) == part.tolist()
        shared = len(set(part) & set(ranked))
        assert f"{shared} of 5 shared" in section
        assert section.count('class="shared"') == shared
    assert str(run.split("train").paths[7]) in text
    classes, weights = last.refined_classes[:][7], last.refined_weights[:][7]
    if classes[0] >= 0:
        assert f">{classes[0]}</a>: {weights[0]:.2f}" in text
    for name in ("00", "01"):
        label = labels_of(run, name)[7]
        assert f'<a href="/alternation/{name}/cluster/{label}">cluster {label}</a>' in text


def test_all_lists_of_an_image_have_the_k_of_now(copy):
    params = copy.paths.params.read_text()
    copy.paths.params.write_text(params.replace("\nk: 5", "\nk: 3"))
    with served(open_run(copy.paths.root)) as ask:
        sections = ask("/alternation/01/image/7").text.split("<section>")[1:]
    assert [len(rows_of(section)) for section in sections] == [3, 3, 3, 3]
    assert all("of 3 shared" in section for section in sections[1:])


def test_pictures_are_the_packed_images(ask, run):
    for split in ("train", "query", "gallery"):
        np.testing.assert_array_equal(
            pixels(ask(f"/picture/{split}/5.png")), run.split(split).images[5]
        )
    page = f"/alternation/01/cluster/{labels_of(run)[5]}"
    assert labels_of(run)[5] >= 0
    address = re.search(r'src="(/picture/train/5.png[^"]+)', ask(page).text)[1]
    assert "immutable" in ask(address).headers["cache-control"]
    for other in ("/picture/train/5.png", "/picture/train/5.png?of=0"):
        assert ask(other).headers["cache-control"] == "no-cache"
    agreement = run.alternation("01").cross_agreement[:][5]
    expected = darkened(run.split("train").images[5], agreement, agreement, height=128)
    np.testing.assert_array_equal(pixels(ask("/masked/01/5.png")), np.asarray(expected))


def test_queries_worst_first(ask, run):
    precisions = run.alternation("01").average_precision[:]
    text = ask("/queries/01").text
    shown = [int(row) for row in re.findall(r"/query/01/(\d+)\"", text)]
    assert sorted(shown) == np.flatnonzero(precisions >= 0).tolist()
    assert (np.diff(precisions[shown]) >= 0).all()
    in_order = re.findall(r"/query/01/(\d+)\"", ask("/queries/01?order=row").text)
    assert [int(row) for row in in_order] == sorted(shown)


def test_a_query(ask, run):
    row = 3
    ranked = run.alternation("01").gallery_ranked_list[:][row]
    ranked = ranked[ranked >= 0]
    query, gallery = run.split("query"), run.split("gallery")
    text = ask(f"/query/01/{row}").text
    listed = re.findall(r'<li class="(right|wrong)"><a href="/picture/gallery/(\d+)', text)
    assert [int(other) for _, other in listed] == ranked.tolist()
    for mark, other in listed:
        same = gallery.pids[:][int(other)] == query.pids[:][row]
        assert mark == ("right" if same else "wrong")
        assert not (same and gallery.camids[:][int(other)] == query.camids[:][row])
    same = (gallery.pids[:] == query.pids[:][row]) & (gallery.camids[:] == query.camids[:][row])
    assert f"Left out by the metric: {same.sum()} images" in text
    assert f"average precision {run.alternation('01').average_precision[:][row]:.3f}" in text


def test_a_query_as_the_metric_takes_it(run):
    look = Look(run)
    query, gallery = look.images("query"), look.images("gallery")
    ranked = run.alternation("01").gallery_ranked_list[:][3]
    elsewhere = ranked[gallery.pids[ranked] != query.pids[3]][:4]
    pids, paths = gallery.pids.copy(), gallery.paths.copy()
    pids[elsewhere[:3]], paths[elsewhere[3]] = -1, query.paths[3]
    changed = {"query": query, "gallery": replace(gallery, pids=pids, paths=paths)}
    look.images = changed.get
    same = (pids == query.pids[3]) & (gallery.camids == query.camids[3])
    shown = query_page(look, "01", 3)
    assert shown["left_out"] == same.sum() + 1  # and its own image
    marks = {int(re.search(r"\d+", thumb.src)[0]): thumb.mark for thumb in shown["thumbs"]}
    assert {marks[other] for other in elsewhere[:3].tolist()} == {"wrong"}
    changed["query"] = replace(query, pids=np.full_like(query.pids, -1))
    shown = query_page(look, "01", 3)
    assert shown["left_out"] == 1
    assert {thumb.mark for thumb in shown["thumbs"]} == {"unknown"}


def test_two_alternations(ask, run):
    before, after = labels_of(run, "00"), labels_of(run, "01")
    changes = label_changes(before, after)
    text = ask("/compare").text
    for kind in ("split", "merged", "appeared", "dissolved"):
        clusters = getattr(changes, kind)
        (section,) = re.findall(rf'<h2 id="{kind}">(.*?)(?=<h2|</main>)', text, re.S)
        assert f"({len(clusters)})" in section
        name = "00" if kind in ("split", "dissolved") else "01"
        found = re.findall(rf"/alternation/{name}/cluster/(\d+)\">Cluster", section)
        assert sorted(map(int, found)) == sorted(clusters.tolist())[: pages.CLUSTERS]
    assert 'id="better"' not in text  # 00 is not evaluated


def test_two_runs(run):
    with served(run, run) as ask:
        assert ask("/other/alternation/01/cluster/0").status == 200
        assert 'href="/other/' in ask("/").text
        text = ask("/compare").text
        assert "01 and other:01 compared" in text
        assert "(0)" in text.split('id="split"')[1]
        assert "Queries that got better (0 of" in text
        assert ask("/compare?a=other:00&b=01").status == 200
        assert "00 and other:01 compared" in ask("/compare?a=00").text
        assert "01 and other:00 compared" in ask("/compare?b=other:00").text
        assert ask("/compare?a=07").status == 404


def test_queries_that_got_better_and_worse(run, copy):
    path = copy.paths.ranking("01")
    precisions = run.alternation("01").average_precision[:]
    known = np.flatnonzero(precisions >= 0)
    up, down = known[precisions[known] < 1][:2], known[precisions[known] > 0][-1:]
    precisions[up], precisions[down] = (1.0, 1.0), 0.0
    zarr.open_group(path, mode="r+")["average_precision"][...] = precisions
    write_checksums(path)
    with served(run, copy) as ask:
        text = ask("/compare").text
        better, worse = text.split('id="better"')[1].split('id="worse"')
        assert f"(2 of {len(known)})" in better.split("</h2>")[0]
        assert f"(1 of {len(known)})" in worse.split("</h2>")[0]
        for part, rows in ((better, up), (worse, down)):
            listed = re.findall(r"/other/query/01/(\d+)", part)
            assert sorted(map(int, listed)) == sorted(rows.tolist())


def test_a_query_leads_to_the_next_worse_and_better(ask, run):
    precisions = run.alternation("01").average_precision[:]
    ordered = np.argsort(np.where(precisions < 0, np.inf, precisions), kind="stable")
    ordered = ordered[: (precisions >= 0).sum()].tolist()
    at = len(ordered) // 2
    text = ask(f"/query/01/{ordered[at]}").text
    assert re.findall(r'rel="prev" href="/query/01/(\d+)"', text) == [str(ordered[at - 1])]
    assert re.findall(r'rel="next" href="/query/01/(\d+)"', text) == [str(ordered[at + 1])]


def test_queries_of_other_galleries_are_not_compared(run, copy):
    path = copy.paths.split("gallery") / "zarr.json"
    path.write_text(path.read_text().replace(read_digest(path.parent), "0" * 64))
    write_checksums(path.parent)
    with served(run, copy) as ask:
        text = ask("/compare").text
        assert "01 and other:01 compared" in text
        assert 'id="better"' not in text


def test_without_identities_nothing_is_called_pure(run, monkeypatch):
    unknown = property(lambda split: np.full(len(split), -1, np.int32))
    monkeypatch.setattr("pplr.runs.pieces.Split.pids", unknown)
    with served(run) as ask:
        text = ask("/alternation/01").text
        assert "purity" not in text
        assert "purest" not in text
        assert ask("/alternation/01?order=purest").status == 404
        assert "Purity" not in ask("/alternation/01/cluster/0").text


def test_large_lists_are_paged(run, monkeypatch):
    monkeypatch.setattr(pages, "CLUSTERS", 3)
    monkeypatch.setattr(pages, "IMAGES", 2)
    with served(run) as ask:
        found = []
        for page in range(1, -(-last_clusters(run, "01") // 3) + 1):
            text = ask(f"/alternation/01?page={page}").text
            found += re.findall(r"/cluster/(\d+)\">Cluster", text)
        assert sorted(map(int, found)) == list(range(last_clusters(run, "01")))
        assert len(rows_of(ask("/alternation/01/cluster/0?page=2").text)) == 2
        assert "order=largest&amp;page=2" in ask("/alternation/01").text
