import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pplr.datasets.layouts import DATA_SETS
from pplr.datasets.protocol import check_tables, num_valid_queries
from pplr.datasets.remarks import remarks
from pplr.errors import DataError
from pplr.evaluation.metrics import own_rows, retrieval_metrics
from tests.datasets.tables import TRAIN, table, tables
from tests.datasets.trees import write_layout


def evaluated(query, gallery):
    """Return how many queries evaluation finds valid."""
    arguments = (query.pids, gallery.pids, query.camids, gallery.camids)
    own = own_rows(query.paths, gallery.paths)
    distances = np.ones((len(query), len(gallery)))
    try:
        return retrieval_metrics(distances, *arguments, q_index=own).num_valid_queries
    except DataError:
        return 0


IDS = st.integers(-1, 2)  # unknown, or one of three; 0 may be a distractor
ROWS = st.dictionaries(st.sampled_from("abcdef"), st.tuples(IDS, IDS), max_size=6)


@given(query=ROWS, gallery=ROWS, distractor=st.sampled_from([None, 0]))
@settings(deadline=None)  # evaluation is compiled first
def test_as_many_queries_are_valid_as_evaluation_finds(query, gallery, distractor):
    query, gallery = (
        table(*[(path, *ids) for path, ids in sorted(rows.items())]) for rows in (query, gallery)
    )
    if distractor not in query.pids:
        gallery = dataclasses.replace(gallery, distractor=distractor)
    found = num_valid_queries(query, gallery)
    assert found == (evaluated(query, gallery) if len(query) and len(gallery) else 0)
    # where configure says that there is nothing to evaluate, the stage does not
    assert (not query.people) == (query.pids < 0).all()
    said = remarks("table", tables(TRAIN, query, gallery))
    assert any("nothing to evaluate" in line for line in said) == (query.pids < 0).all()


# each image's pid, camera, which counts from 1, and number
IMAGE = st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(0, 1))
IMAGES = st.sets(IMAGE, min_size=2, max_size=8)  # MSMT17's train has two lists


@pytest.mark.parametrize("layout", ["market1501", "veri776", "msmt17", "table"])
@given(train=IMAGES, query=IMAGES, gallery=IMAGES)
@settings(max_examples=15, deadline=None)
def test_every_layout_counts_the_queries_that_evaluation_finds(layout, train, query, gallery):
    splits = {"train": train, "query": query, "gallery": gallery}
    with tempfile.TemporaryDirectory() as folder:
        root = write_layout(Path(folder), layout, splits)
        found = DATA_SETS[layout].read(root)
        assert {name: len(of_split) for name, of_split in found.items()} == {
            name: len(images) for name, images in splits.items()
        }
        valid = evaluated(found["query"], found["gallery"])
        assert num_valid_queries(found["query"], found["gallery"]) == valid
        people = {pid for pid, _, _ in query}
        assert found["query"].people == people  # 0 is a person where it is searched for
        distractors = {0} - people if layout == "market1501" else set()
        assert found["gallery"].people == {pid for pid, _, _ in gallery} - distractors
        if valid:
            check_tables(found, root)
        else:
            with pytest.raises(DataError, match="No query has a correct image"):
                check_tables(found, root)


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
