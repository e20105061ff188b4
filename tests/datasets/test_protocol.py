from pathlib import Path

import numpy as np
import pytest

from pplr.datasets.image_table import ImageTable
from pplr.datasets.protocol import check_tables, format_counts, num_valid_queries, remarks
from pplr.errors import DataError
from pplr.evaluation.metrics import own_rows, retrieval_metrics


def table(*rows, distractor=None):
    """Return a table of rows (path, pid, camid)."""
    paths, pids, camids = zip(*rows, strict=True) if rows else ((), (), ())
    return ImageTable(
        paths, np.array(pids, np.int32), np.array(camids, np.int32), None, distractor=distractor
    )


def tables(train, query, gallery):
    return {"train": train, "query": query, "gallery": gallery}


TRAIN = table(("a", 1, 0), ("b", 2, 1))


def test_counts_leave_out_distractors_and_unknown():
    gallery = table(("g", 0, 2), ("h", 5, -1), ("i", -1, 2), distractor=0)
    lines = format_counts(tables(TRAIN, table(), gallery)).splitlines()
    assert [line.split() for line in lines] == [
        ["split", "images", "identities", "cameras"],
        ["train", "2", "2", "2"],
        ["query", "0", "0", "0"],
        ["gallery", "3", "1", "1"],
    ]


@pytest.mark.parametrize("seed", range(30))
def test_as_many_queries_are_valid_as_evaluation_finds(seed):
    rng = np.random.default_rng(seed)

    def draw(n, names):
        rows = zip(names, rng.integers(-1, 3, n).tolist(), rng.integers(-1, 2, n), strict=True)
        return table(*rows)

    gallery = draw(6, [f"g{i}" for i in range(6)])
    query = draw(4, ["q0", "g1", "q2", "g3"])
    for row, own in ((1, 1), (3, 3)):  # one image has one identity and one camera
        query.pids[row], query.camids[row] = gallery.pids[own], gallery.camids[own]
    found = num_valid_queries(query, gallery)
    arguments = (query.pids, gallery.pids, query.camids, gallery.camids)
    own = own_rows(query.paths, gallery.paths)
    try:
        expected = retrieval_metrics(np.ones((4, 6)), *arguments, q_index=own).num_valid_queries
    except DataError:
        expected = 0
    assert found == expected


def test_no_valid_query_is_an_error_where_identities_are_known():
    same_camera = tables(TRAIN, table(("q", 5, 0)), table(("g", 5, 0)))
    with pytest.raises(DataError, match="No query has a correct image") as caught:
        check_tables(same_camera, Path("images"))
    assert "1 queries of 1 identities" in str(caught.value)
    check_tables(tables(TRAIN, table(("q", 5, 0)), table(("g", 5, 1))), Path())
    check_tables(tables(TRAIN, table(("q", -1, 0)), table(("g", -1, 1))), Path())
    check_tables(tables(TRAIN, table(), table()), Path())


def test_a_query_alone_in_the_gallery_is_not_valid_without_cameras():
    alone = tables(TRAIN, table(("q", 5, -1)), table(("q", 5, -1)))
    with pytest.raises(DataError, match="No query has a correct image"):
        check_tables(alone, Path())
    check_tables(tables(TRAIN, table(("q", 5, -1)), table(("q", 5, -1), ("g", 5, -1))), Path())


def test_a_test_image_may_not_be_trained_on():
    with pytest.raises(DataError, match=r"1 image.* trained on and tested on"):
        check_tables(tables(TRAIN, table(), table(("b", 9, 9))), Path())


def test_remarks_on_counts_and_people():
    found = tables(TRAIN, table(("q", 2, 0), ("r", 7, 0)), table(("g", 2, 1)))
    (counts, shared, lost) = remarks("market1501", found)
    assert counts.startswith("not the counts of the published data set: 2 training images (there ")
    assert "1 gallery images (there 15,913)" in counts
    assert shared.startswith("1 identities are in train and in query or gallery: 2;")
    assert lost == "1 of 2 queries have no correct image in the gallery: they do not count"
    assert remarks("table", found) == [shared, lost]
    # numbered apart: 2 is another person
    assert shared not in remarks("msmt17", found)


def test_either_count_of_veri776_is_right():
    rows = [(f"{i:05d}", i % 576, i % 20) for i in range(37_746)]
    (counts, _) = remarks("veri776", tables(table(*rows), table(), table()))
    assert "training" not in counts
    assert "cameras" not in counts
    (counts, _) = remarks("veri776", tables(table(*rows[1:]), table(), table()))
    assert "37,745 training images (there 37,746 or 37,778)" in counts


def test_nothing_to_evaluate_is_remarked():
    assert remarks("folder", tables(TRAIN, table(), table())) == [
        "no query has a known identity: there will be nothing to evaluate"
    ]
