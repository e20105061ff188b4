"""Training: our epoch against a plain one over JPEG files; layout, precision; where time goes.

Usage: python -m benchmarks.training [input] [epoch] [variants] [--iterations N] [--rounds N]

All figures that are compared come from one process, in turns. Prints the tables in Markdown.
"""

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.epoch_data import (
    BATCH,
    HEIGHT,
    WIDTH,
    batches_of,
    epoch_data,
    make_images,
    make_model,
    pack,
    settings,
)
from benchmarks.measuring import table
from benchmarks.plain_epoch import WORKERS, plain_epoch, plain_loader
from pplr.network.backbones import make_backbone
from pplr.network.model import ReIDModel
from pplr.network.normalising import to_normalised
from pplr.settings.groups import TrainingSettings
from pplr.storage.images import PackedImages
from pplr.training import epoch as training
from pplr.training.augment import Augmentation
from pplr.training.learner import Learner
from pplr.training.loading import augmented_batches
from pplr.training.records import EpochData, EpochStart

BACKBONES = ("mobilenet_v2", "resnet18")
VARIANT_BATCH = 16  # bfloat16 is slow where a processor has no instructions for it


def our_epoch(model: ReIDModel, data: EpochData, chosen: TrainingSettings) -> tuple[float, float]:
    """Return images per second and the share of waiting of one of our epochs."""
    result = training.train_epoch(model, data, chosen, epoch=9, start=EpochStart(), device="cpu")
    return result.images_per_second, result.waiting_share


@contextlib.contextmanager
def timed_parts() -> Iterator[dict[str, float]]:
    """Add up the seconds of forward (with losses), backward and step of our epochs."""
    seconds = {"forward": 0.0, "backward": 0.0, "step": 0.0}

    def timed(part: str, function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            start = time.perf_counter()
            result = function(*arguments, **options)
            seconds[part] += time.perf_counter() - start
            return result

        return call

    places = (
        (Learner, "forward", "forward"),
        (training, "epoch_losses", "forward"),
        (Tensor, "backward", "backward"),
        (torch.optim.Adam, "step", "step"),
    )
    before = [getattr(owner, name) for owner, name, _ in places]
    for (owner, name, part), function in zip(places, before, strict=True):
        setattr(owner, name, timed(part, function))
    try:
        yield seconds
    finally:
        for (owner, name, _), function in zip(places, before, strict=True):
            setattr(owner, name, function)


def in_turns(
    first: Callable[[], float], second: Callable[[], float], rounds: int
) -> tuple[float, float, list[float]]:
    """Return the medians of two figures taken in turns, and the ratios of each turn."""
    pairs = [(first(), second()) for _ in range(rounds)]
    ratios = [one / two for one, two in pairs]
    ones, twos = zip(*pairs, strict=True)
    return statistics.median(ones), statistics.median(twos), ratios


def against_plain(
    files: list[Path],
    images: PackedImages,
    labels: NDArray[np.int32],
    camids: NDArray[np.int32],
    iterations: int,
    rounds: int,
) -> None:
    """Print our epoch against the plain one, whole and by its input alone."""
    rows, parts = [], []
    chosen = settings(iterations)
    for name in BACKBONES:
        num_features = make_backbone(name, height=HEIGHT, width=WIDTH).num_features
        data = epoch_data(images, labels, camids, num_features)
        waits: list[float] = []

        def ours(name: str = name, data: EpochData = data, waits: list[float] = waits) -> float:
            speed, wait = our_epoch(make_model(name), data, chosen)
            waits.append(wait)
            return speed

        def plain(name: str = name, data: EpochData = data) -> float:
            return plain_epoch(make_model(name), files, data, chosen)

        our_speed, plain_speed, ratios = in_turns(ours, plain, rounds)
        rows.append(
            f"{name} | {our_speed:.0f} | {plain_speed:.0f} | "
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) | "
            f"{statistics.median(waits):.2%}"
        )
        with timed_parts() as seconds:
            speed, _ = our_epoch(make_model(name), data, chosen)
        whole = iterations * BATCH / speed
        shares = [f"{part / whole:.1%}" for part in (*seconds.values(), sum(seconds.values()))]
        parts.append(f"{name} | {' | '.join(shares)}")
    table(
        f"An epoch of {iterations} iterations, 64 images of {HEIGHT} x {WIDTH}",
        "backbone | ours, images/s | plain, images/s | ratio (of turns) | ours waits for data",
        rows,
    )
    table(
        "Share of our epoch's time",
        "backbone | forward and losses | backward | step | together",
        parts,
    )


def inputs_alone(
    files: list[Path],
    images: PackedImages,
    labels: NDArray[np.int32],
    camids: NDArray[np.int32],
    rounds: int,
) -> None:
    """Print the speed of the batches alone, ours against the plain loader's."""
    chosen = settings(40)
    batches = batches_of(epoch_data(images, labels, camids, 2), chosen)

    def ours() -> float:
        start = time.perf_counter()
        for batch in augmented_batches(
            images,
            batches,
            slice(0, BATCH),
            Augmentation(chosen.pad, chosen.erase_probability),
            generator=torch.Generator().manual_seed(0),
        ):
            to_normalised(batch, "cpu")
        return batches.size / (time.perf_counter() - start)

    def plain() -> float:
        start = time.perf_counter()
        for _ in plain_loader(files, batches):
            pass
        return batches.size / (time.perf_counter() - start)

    our_speed, plain_speed, ratios = in_turns(ours, plain, rounds)
    table(
        f"Input alone: decoded, augmented, normalised batches; plain with {WORKERS} workers",
        "ours, images/s | plain, images/s | ratio (of turns)",
        [
            f"{our_speed:.0f} | {plain_speed:.0f} | {statistics.median(ratios):.1f} "
            f"({min(ratios):.1f} to {max(ratios):.1f})"
        ],
    )


def variants(rounds: int) -> None:
    """Print the seconds of a forward and backward pass by layout, precision and compilation."""
    images = torch.randn(VARIANT_BATCH, 3, HEIGHT, WIDTH)
    rows = []
    for name in BACKBONES:
        steps: dict[str, Callable[[], float]] = {}
        first: dict[str, float] = {}
        for label, layout, precision, compiled in (
            ("plain layout", torch.contiguous_format, torch.float32, False),
            ("channels last", torch.channels_last, torch.float32, False),
            ("channels last, bfloat16", torch.channels_last, torch.bfloat16, False),
            ("channels last, compiled", torch.channels_last, torch.float32, True),
        ):
            model = make_model(name).to(memory_format=layout).train()
            run = torch.compile(model) if compiled else model
            given = images.to(memory_format=layout)

            def step(
                run: Callable[[Tensor], Tensor] = run,
                model: ReIDModel = model,
                given: Tensor = given,
                precision: torch.dtype = precision,
            ) -> float:
                start = time.perf_counter()
                with torch.autocast("cpu", torch.bfloat16, enabled=precision is torch.bfloat16):
                    loss = run(given).float().square().mean()
                torch.autograd.backward(loss)
                model.zero_grad()
                return time.perf_counter() - start

            first[label] = step()
            steps[label] = step
        taken = {
            label: statistics.median(step() for _ in range(rounds)) for label, step in steps.items()
        }
        base = taken["channels last"]
        cells = [f"{seconds:.2f} s ({seconds / base:.2f})" for seconds in taken.values()]
        rows.append(f"{name} | {' | '.join(cells)} | {first['channels last, compiled']:.0f} s")
    table(
        f"Forward and backward, {VARIANT_BATCH} images of 128 x 64 (share of channels last)",
        "backbone | plain layout | channels last | bfloat16 | compiled | compiling",
        rows,
    )


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", help="input, epoch, variants; all unless named")
    parser.add_argument("--iterations", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    chosen = arguments.sections or ["input", "epoch", "variants"]
    sys.stderr = open("/dev/null", "w")  # noqa: PTH123, SIM115  progress
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files, labels, camids = make_images(folder)
        images = pack(files, folder / "packed")
        if "input" in chosen:
            inputs_alone(files, images, labels, camids, arguments.rounds)
        if "epoch" in chosen:
            against_plain(files, images, labels, camids, arguments.iterations, arguments.rounds)
    if "variants" in chosen:
        variants(arguments.rounds)


if __name__ == "__main__":
    main()
