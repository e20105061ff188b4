"""The training batches of an epoch, augmented in a thread while the one before is trained on."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pplr.storage.images import PackedImages
from pplr.training.augment import Augmentation, augment, draw_augmentation

Item = TypeVar("Item")


class OneAhead(Iterable[Item]):
    """Items made in a thread, each while the one before is in use.

    Parameters
    ----------
    make
        Returns an item by its number; called in order.
    total
        How many there are.
    """

    def __init__(self, make: Callable[[int], Item], total: int):
        self._make = make
        self._total = total
        self.seconds_waited = 0.0

    def __len__(self) -> int:
        """Return the number of items."""
        return self._total

    def __iter__(self) -> Iterator[Item]:
        """Yield the items in order; `seconds_waited` adds up how long they kept one waiting."""
        with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            pending = pool.submit(self._make, 0)
            for following in range(1, self._total + 1):
                start = time.perf_counter()
                item = pending.result()
                self.seconds_waited += time.perf_counter() - start
                if following < self._total:
                    pending = pool.submit(self._make, following)
                yield item


def augmented_batches(
    images: PackedImages,
    batches: NDArray[np.int64],
    share: slice,
    augmentation: Augmentation,
    *,
    generator: torch.Generator,
) -> OneAhead[Tensor]:
    """Return this process's share of each batch, (b,H,W,3) uint8, augmented.

    Parameters
    ----------
    images
        N images.
    batches
        (iterations,B) rows.
    share
        Which of the B images are this process's.
    augmentation
        How far images are shifted, and how often and with what they are erased.
    generator
        The source of all randomness; it advances by whole batches.
    """
    height, width = images.shape[1:3]

    def make(iteration: int) -> Tensor:
        draws = draw_augmentation(
            batches.shape[1],
            height,
            width,
            pad=augmentation.pad,
            erase_probability=augmentation.erase_probability,
            generator=generator,
        )
        own = torch.from_numpy(images[batches[iteration, share]])
        return augment(own, draws.take(share), pad=augmentation.pad, mean=augmentation.mean)

    return OneAhead(make, len(batches))
