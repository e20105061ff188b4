import threading

import numpy as np
import pytest
import torch

from pplr.training import loading
from pplr.training.augment import Augmentation, augment, draw_augmentation
from pplr.training.loading import OneAhead, augmented_batches

SECONDS = 600  # until a test fails that waits for another thread


def test_items_come_in_order_one_ahead() -> None:
    made = [threading.Event() for _ in range(5)]
    items = OneAhead(lambda i: made[i].set() or i, 4)
    seen = []
    for item in items:
        if item < 3:
            assert made[item + 1].wait(SECONDS)  # while this one is in use
        assert not made[min(item + 2, 4)].is_set()
        seen.append(item)
    assert seen == [0, 1, 2, 3]
    assert len(items) == 4


class Clock:
    """In the place of `time`: it shows what it is set to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.looked_at: list[threading.Event] = [threading.Event() for _ in range(8)]
        self.looks = 0

    def perf_counter(self) -> float:
        now = self.now
        self.looked_at[self.looks].set()
        self.looks += 1
        return now


def test_waiting_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(loading, "time", clock)

    def slow(i: int) -> int:
        assert clock.looked_at[2 * i].wait(SECONDS)  # the reader has begun to wait for this one
        clock.now += 5
        return i

    items = OneAhead(slow, 4)
    assert list(items) == [0, 1, 2, 3]
    assert items.seconds_waited == 20


def test_work_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(loading, "time", clock)
    made = [threading.Event() for _ in range(4)]
    items = OneAhead(lambda i: made[i].set() or i, 4)
    for item in items:
        assert made[min(item + 1, 3)].wait(SECONDS)
        clock.now += 5
    assert items.seconds_waited == 0


def test_an_error_in_the_thread_reaches_the_reader() -> None:
    def fail(i: int) -> int:
        if i == 2:
            message = "a broken chunk"
            raise OSError(message)
        return i

    before = threading.active_count()
    with pytest.raises(OSError, match="a broken chunk"):
        list(OneAhead(fail, 4))
    assert threading.active_count() == before


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
    mean = (0.1, 0.2, 0.9)
    augmentation = Augmentation(**options, mean=mean)

    def batches(share: slice) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(7)
        return list(augmented_batches(images, rows, share, augmentation, generator=generator))

    whole = batches(slice(0, 8))
    generator = torch.Generator().manual_seed(7)
    for batch, chosen in zip(whole, rows, strict=True):
        draws = draw_augmentation(8, 8, 6, **options, generator=generator)
        expected = augment(torch.from_numpy(images[chosen]), draws, pad=2, mean=mean)
        assert torch.equal(batch, expected)
    for share in (slice(0, 4), slice(4, 8)):
        for own, batch in zip(batches(share), whole, strict=True):
            assert torch.equal(own, batch[share])
