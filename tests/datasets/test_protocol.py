from pathlib import Path

import numpy as np
import pytest

from pplr.datasets.protocol import check_tables, num_valid_queries
from pplr.errors import DataError
from pplr.evaluation.metrics import own_rows, retrieval_metrics
from tests.datasets.tables import TRAIN, table, tables


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
