"""Sheets of strips of tiles."""

import numpy as np
import pytest
from PIL import Image

from pplr.figures.tiles import GAP, MARGIN, RIGHT, TITLE, Strip, Tile, draw_strips

TILE = (40, 80)
LIME = (0, 255, 0)


def tiles(count, **fields):
    return [Tile(Image.new("RGB", TILE, LIME), **fields)] * count


def lime(sheet):
    return (np.asarray(sheet) == LIME).all(axis=2)


def test_a_strip_is_as_large_as_its_tiles():
    sheet = draw_strips([Strip("", tiles(3))], tile=TILE)
    assert sheet.width == 2 * MARGIN + 3 * TILE[0] + 2 * GAP
    assert sheet.height == MARGIN + TITLE + TILE[1] + GAP + 2 * GAP
    assert lime(sheet).sum() == 3 * 40 * 80
    columns = np.flatnonzero(lime(sheet).any(axis=0))
    assert columns[0] == MARGIN
    assert columns[-1] == sheet.width - MARGIN - 1


@pytest.mark.parametrize(("count", "lines"), [(4, 1), (5, 2), (9, 3)])
def test_many_tiles_stand_in_lines(count, lines):
    sheet = draw_strips([Strip("", tiles(count))], tile=TILE, per_line=4)
    assert lime(sheet).sum() == count * 40 * 80
    rows = np.flatnonzero(np.diff(lime(sheet).any(axis=1).astype(int)) == 1)
    assert len(rows) == lines


def test_words_below_make_a_line_higher_and_a_long_title_the_sheet_wider():
    plain = draw_strips([Strip("", tiles(2))], tile=TILE)
    worded = draw_strips([Strip("", tiles(2, words=("a", "b")))], tile=TILE)
    titled = draw_strips([Strip("a title " * 20, tiles(2))], tile=TILE)
    headed = draw_strips([Strip("", tiles(2))], tile=TILE, heading="a heading " * 20)
    assert worded.height == plain.height + 8 + 2 * 19
    assert titled.height == plain.height
    assert min(titled.width, headed.width) > 5 * plain.width
    assert headed.height > plain.height


def test_a_frame_is_around_its_tile():
    framed = np.asarray(draw_strips([Strip("", tiles(1, frame=RIGHT))], tile=TILE))
    colour = tuple(int(RIGHT[i : i + 2], 16) for i in (1, 3, 5))
    rows, columns = np.nonzero((framed == colour).all(axis=2))
    assert (columns.min(), columns.max()) == (MARGIN - 4, MARGIN + TILE[0] + 3)
    assert rows.max() - rows.min() == TILE[1] + 7


def test_an_image_of_another_shape_is_drawn_in_its_own():
    wide = Tile(Image.new("RGB", (100, 50), LIME))
    there = lime(draw_strips([Strip("", [wide])], tile=TILE))
    assert there.any(axis=1).sum() == 20
    assert there.any(axis=0).sum() == 40


def test_what_is_not_there_is_said():
    empty = draw_strips([Strip("", [Tile(None)])], tile=TILE)
    assert (np.asarray(empty) == (0xE4, 0xE4, 0xE4)).all(axis=2).sum() > 2000
    words = draw_strips([Strip("", [], words="there is nothing to be seen here")], tile=TILE)
    assert words.width > 200
    assert (np.asarray(words) < 200).any()
    lead = draw_strips([Strip("", [], lead=tiles(1)[0], words="nothing near")], tile=TILE)
    assert lime(lead).sum() == 40 * 80
