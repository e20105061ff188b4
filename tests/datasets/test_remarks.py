import pytest

from pplr.datasets.remarks import format_counts, remarks
from tests.datasets.tables import TRAIN, table, tables


def test_counts_leave_out_distractors_and_unknown():
    gallery = table(("g", 0, 2), ("h", 5, -1), ("i", -1, 2), distractor=0)
    lines = format_counts(tables(TRAIN, table(), gallery)).splitlines()
    assert [line.split() for line in lines] == [
        ["split", "images", "identities", "cameras"],
        ["train", "2", "2", "2"],
        ["query", "0", "0", "0"],
        ["gallery", "3", "1", "1"],
    ]


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


def test_files_that_are_passed_over_are_counted_by_suffix():
    train = table(("a", 1, 0), passed_over={".heic": 9, "": 1})
    found = tables(train, table(), table(passed_over={".heic": 1, ".txt": 2}))
    assert remarks("folder", found)[1:] == [
        "13 files are no images by their suffix and were passed over: .heic 10, .txt 2, no suffix 1"
    ]


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (
            ["a/b.jpg", "a/b.png", "c.jpg"],
            "1 names stand there with several suffixes: a/b.jpg and a/b.png;",
        ),
        (
            ["b.JPG", "b.jpg", "b.tif"],
            "1 names stand there with several suffixes: b.JPG and b.jpg and",
        ),
        (["a/b.jpg", "c/b.png"], None),
        (["A.JPG", "a.jpg"], None),  # two names
        (["b.jpg", "b.jpg.jpg"], None),  # as in Market-1501
    ],
)
def test_one_picture_in_two_files_is_remarked(paths, said):
    found = tables(table(*[(path, -1, -1) for path in paths]), table(), table())
    assert [line[: len(said or "")] for line in remarks("folder", found)[1:]] == [said] * bool(said)
