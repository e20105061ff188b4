import threading
import time

import numpy as np
import pytest
import torch

from pplr.training.augment import augment, draw_augmentation
from pplr.training.loading import OneAhead, augmented_batches


def test_items_come_in_order_one_ahead() -> None:
    made: list[int] = []
    items = OneAhead(lambda i: made.append(i) or i, 4)
    seen = []
    for item in items:
        time.sleep(0.02)
        assert len(made) <= item + 2
        seen.append(item)
    assert seen == made == [0, 1, 2, 3]
    assert len(items) == 4


def test_waiting_is_counted_and_work_is_not() -> None:
    def slow(i: int) -> int:
        time.sleep(0.05)
        return i

    idle = OneAhead(slow, 4)
    assert list(idle) == [0, 1, 2, 3]
    assert idle.seconds_waited > 0.15
    busy = OneAhead(slow, 4)
    for _ in busy:
        time.sleep(0.1)
    assert busy.seconds_waited < idle.seconds_waited


def test_an_error_in_the_thread_reaches_the_reader() -> None:
    def fail(i: int) -> int:
        if i == 2:
            message = "a broken chunk"
            raise OSError(message)
        return i

    with pytest.raises(OSError, match="a broken chunk"):
        list(OneAhead(fail, 4))
    assert threading.active_count() < 10


def test_a_reader_that_leaves_early_ends_the_thread() -> None:
    before = threading.active_count()
    batches = iter(OneAhead(lambda i: i, 100))
    next(batches)
    batches.close()
    assert threading.active_count() == before


class Images:
    """In the place of PackedImages: all that is read of them."""

    def __init__(self, pixels: np.ndarray):
        self.pixels, self.shape = pixels, pixels.shape

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return self.pixels[rows]


def test_shares_of_the_batches_are_those_of_the_whole() -> None:
    images = Images(np.random.default_rng(0).integers(0, 256, (20, 8, 6, 3)).astype(np.uint8))
    rows = np.random.default_rng(1).integers(0, 20, (3, 8))
    options = {"pad": 2, "erase_probability": 0.5}

    def batches(share: slice) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(7)
        return list(augmented_batches(images, rows, share, **options, generator=generator))

    whole = batches(slice(0, 8))
    generator = torch.Generator().manual_seed(7)
    for batch, chosen in zip(whole, rows, strict=True):
        draws = draw_augmentation(8, 8, 6, **options, generator=generator)
        expected = augment(torch.from_numpy(images[chosen]), draws, pad=2)
        assert torch.equal(batch, expected)
    for share in (slice(0, 4), slice(4, 8)):
        for own, batch in zip(batches(share), whole, strict=True):
            assert torch.equal(own, batch[share])
