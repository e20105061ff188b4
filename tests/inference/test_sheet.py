"""The picture of a search's answers."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from pplr.errors import DataError
from pplr.inference.checks import check_picture
from pplr.inference.search import Answer, Gallery, Match
from pplr.inference.sheet import TILE_HEIGHT, draw_sheet, write_sheet


@pytest.fixture
def gallery(tmp_path):
    """Two images of one colour each, and one that is not there any more."""
    for name, colour in (("red.png", "red"), ("green.png", "lime")):
        Image.new("RGB", (8, 16), colour).save(tmp_path / name)
    return Gallery(np.zeros((3, 2)), ["red.png", "green.png", "lost.png"], tmp_path)


def answers(gallery, *limits):
    matches = [Match("green.png", 0.1), Match("lost.png", 0.7), Match("red.png", 1.3)]
    return [Answer(gallery.folder / "red.png", matches, limit) for limit in limits]


def columns_of(sheet, colour):
    """Return the first and last column in which a colour is."""
    there = np.flatnonzero((np.asarray(sheet) == colour).all(axis=2).any(axis=0))
    return there.min(), there.max()


def test_the_query_is_at_the_left_and_the_nearest_in_their_order(gallery):
    sheet = draw_sheet(answers(gallery, 1.0), gallery, (64, 128))
    pixels = np.asarray(sheet)
    red, green = columns_of(sheet, (255, 0, 0)), columns_of(sheet, (0, 255, 0))
    assert red[1] < green[0]
    assert (pixels == (0, 255, 0)).all(axis=2).sum() == TILE_HEIGHT * TILE_HEIGHT // 2
    empty = columns_of(sheet, (228, 228, 228))[1]  # of the lost one, behind the green one
    assert empty > green[1]


def test_more_answers_make_it_higher_and_more_of_the_nearest_wider(gallery):
    one = draw_sheet(answers(gallery, None), gallery, (64, 128))
    two = draw_sheet(answers(gallery, None, None), gallery, (64, 128))
    none = draw_sheet(answers(gallery, 0.05), gallery, (64, 128))
    assert two.height > 1.8 * one.height
    assert two.width == one.width
    assert none.height <= one.height  # a line of words less
    assert columns_of(none, (255, 0, 0))[1] < none.width // 2
    assert not (np.asarray(none) == (0, 255, 0)).all(axis=2).any()


def test_many_are_drawn_in_lines(gallery):
    matches = [Match("green.png", 0.1)] * 23
    sheet = draw_sheet([Answer(gallery.folder / "red.png", matches)], gallery, (64, 128))
    green = (np.asarray(sheet) == (0, 255, 0)).all(axis=2).sum()
    assert green == 23 * TILE_HEIGHT * TILE_HEIGHT // 2
    assert sheet.height > 3 * TILE_HEIGHT


def test_a_picture_may_be_drawn_again_and_nothing_else_is_replaced(gallery, tmp_path):
    sheet = draw_sheet(answers(gallery, None), gallery, (64, 128))
    path = tmp_path / "out" / "sheet.png"
    check_picture(path)
    write_sheet(path, sheet)
    check_picture(path)
    write_sheet(path, sheet)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), np.asarray(sheet))
    shutil.copy(path, tmp_path / "sheet.jpg")
    (tmp_path / "text.png").write_text("mine")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("red.png", "pipe.png", "text.png", "folder.png", "link.png", "sheet.jpg", "sheet"):
        with pytest.raises(DataError, match="cannot be drawn there") as caught:
            check_picture(tmp_path / name)
        assert f"where:   --draw {tmp_path / name}\n" in str(caught.value)
