"""Images whose parts are darkened."""

import numpy as np

from pplr.figures.masked import BAR, darkened, scaled
from pplr.figures.tiles import GAP


def test_each_part_is_multiplied_by_its_agreement():
    picture = np.full((8, 4, 3), 200, np.uint8)
    whole = np.asarray(
        darkened(picture, np.array([1.0, 0.25]), np.array([0.0, 1.0]), height=8)
    ).astype(int)
    assert whole.shape == (8, 4 + 4 + 2 * (GAP // 2) + BAR, 3)
    assert (whole[:, :4] == 200).all()
    masked = whole[:, 4 + GAP // 2 :][:, :4]
    assert (masked[:4] == 200).all()
    assert (masked[4:] == 50).all()
    bar = whole[:, -BAR:]
    assert (bar[:4] == (0, 0, 128)).all()  # jet at 0 and at 1
    assert (bar[4:] == (128, 0, 0)).all()


def test_parts_that_do_not_divide_the_height_cover_all_of_it():
    picture = np.full((10, 4, 3), 100, np.uint8)
    agreement = np.array([0.2, 0.5, 0.8])
    masked = np.asarray(darkened(picture, agreement, agreement, height=10))[:, 4 + GAP // 2][:, 0]
    assert masked.tolist() == [20, 20, 20, 50, 50, 50, 50, 80, 80, 80]


def test_the_mean_stands_in_its_part_where_there_is_room():
    picture = np.zeros((64, 32, 3), np.uint8)
    for count, there in ((4, True), (16, False)):
        means = np.full(count, 0.5)
        bar = np.asarray(darkened(picture, means, means, height=160))[:, -BAR:]
        assert (len(np.unique(bar.reshape(-1, 3), axis=0)) > 1) == there


def test_an_image_keeps_its_shape():
    assert scaled(np.zeros((384, 128, 3), np.uint8), 160).size == (53, 160)
