"""Training: our epoch against a plain one over JPEG files, precision and layout, time by part.

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
import torchvision.transforms as T
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.measuring import table
from pplr.datasets.decoding import decode_images
from pplr.datasets.demo.reader import read_demo
from pplr.datasets.files import make_table
from pplr.datasets.image_table import UNKNOWN
from pplr.network.backbones import make_backbone
from pplr.network.model import ReIDModel, classify
from pplr.network.normalising import IMAGENET_MEAN, IMAGENET_STD, to_normalised
from pplr.settings.groups import DemoSettings, TrainingSettings
from pplr.settings.presets import EMBEDDED, PRESETS
from pplr.storage.images import PackedImages, complete_split, create_split
from pplr.training import epoch as training
from pplr.training.centroids import centroid_classifiers
from pplr.training.loading import augmented_batches
from pplr.training.objective import Predictions, Targets, epoch_losses
from pplr.training.records import EpochData, EpochStart
from pplr.training.sampler import pk_batches

HEIGHT, WIDTH, P, BATCH = 128, 64, 3, 64
BACKBONES = ("mobilenet_v2", "resnet18")
WORKERS = 2
VARIANT_BATCH = 16  # bfloat16 is slow where a processor has no instructions for it


def settings(iterations: int) -> TrainingSettings:
    """Return the paper's settings, the whole batch normalised at once as in the plain epoch."""
    values = {name: PRESETS["market1501"][name] for name in TrainingSettings.model_fields}
    return TrainingSettings(**{**values, "iterations": iterations, "samples_per_bn": None})


def make_images(folder: Path) -> tuple[list[Path], NDArray[np.int32], NDArray[np.int32]]:
    """Write the demo's training images as JPEG files; return files, labels and cameras."""
    people = read_demo(DemoSettings(**EMBEDDED), height=HEIGHT, width=WIDTH)["train"]
    files = []
    for row in range(len(people)):
        file = folder / f"{row:05d}.jpg"
        people.open_image(row).save(file, quality=95)
        files.append(file)
    labels = np.unique(people.pids, return_inverse=True)[1].astype(np.int32)
    return files, labels, people.camids


def pack(files: list[Path], folder: Path) -> PackedImages:
    """Return the files decoded into packed arrays, as prepare-data does."""
    rows = [(file.name, UNKNOWN, UNKNOWN) for file in files]
    images = make_table(files[0].parent, rows, where=files[0].parent)
    create_split(folder, (len(files), HEIGHT, WIDTH, 3))
    decode_images(images, folder, height=HEIGHT, width=WIDTH, workers=1, what="train")
    complete_split(folder, columns={}, paths=images.paths)
    return PackedImages(folder)


def epoch_data(
    images: PackedImages, labels: NDArray[np.int32], camids: NDArray[np.int32], num_features: int
) -> EpochData:
    """Return an epoch's data with random features."""
    rng = np.random.default_rng(0)
    N = len(labels)
    return EpochData(
        images=images,
        camids=camids,
        pseudo_labels=labels,
        global_features=rng.standard_normal((N, num_features)).astype(np.float32),
        part_features=rng.standard_normal((N, P, num_features)).astype(np.float32),
        agreement=rng.random((N, P)).astype(np.float32),
    )


def make_model(name: str) -> ReIDModel:
    """Return a model with the same random weights each time."""
    torch.manual_seed(0)
    return ReIDModel(make_backbone(name, height=HEIGHT, width=WIDTH), P)


# --- the plain epoch -----------------------------------------------------------------------


class Files(Dataset[Tensor]):
    """JPEG files, decoded and transformed one by one."""

    def __init__(self, files: list[Path]):
        self.files = files
        self.transform = T.Compose(
            [
                T.Resize((HEIGHT, WIDTH), interpolation=T.InterpolationMode.BICUBIC),
                T.RandomHorizontalFlip(p=0.5),
                T.Pad(10),
                T.RandomCrop((HEIGHT, WIDTH)),
                T.ToTensor(),
                T.Normalize(IMAGENET_MEAN, IMAGENET_STD),
                T.RandomErasing(p=0.5),
            ]
        )

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self.files)

    def __getitem__(self, row: int) -> Tensor:
        """Return one image, (3,H,W) float32."""
        return self.transform(Image.open(self.files[row]).convert("RGB"))


def plain_loader(files: list[Path], batches: NDArray[np.int64]) -> DataLoader[Tensor]:
    """Return the batches as most training scripts read them."""
    return DataLoader(Files(files), batch_sampler=batches.tolist(), num_workers=WORKERS)


def plain_epoch(
    model: ReIDModel, files: list[Path], data: EpochData, chosen: TrainingSettings
) -> float:
    """Return the images per second of a plain epoch of the same losses on the same batches."""
    batches = batches_of(data, chosen)
    features = np.concatenate((data.global_features[:, None], data.part_features), axis=1)
    labels = torch.from_numpy(data.pseudo_labels).long()
    classifiers = torch.nn.Parameter(centroid_classifiers(torch.from_numpy(features), labels))
    parameters = [*(p for p in model.parameters() if p.requires_grad), classifiers]
    optimizer = torch.optim.Adam(parameters, lr=chosen.lr, weight_decay=chosen.weight_decay)
    agreement = torch.from_numpy(data.agreement)
    camids = torch.from_numpy(data.camids).long()
    model.train()
    start = time.perf_counter()
    for rows, images in zip(batches, plain_loader(files, batches), strict=True):
        embeddings = model(images)
        targets = Targets(labels[rows], agreement[rows], None, camids[rows])
        predictions = Predictions(embeddings, classify(embeddings, classifiers))
        terms = epoch_losses(predictions, targets, chosen, epoch=9)
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
        [term.item() for term in terms.values()]
    return batches.size / (time.perf_counter() - start)


def batches_of(data: EpochData, chosen: TrainingSettings) -> NDArray[np.int64]:
    """Return the rows of an epoch's batches."""
    return pk_batches(
        data.pseudo_labels,
        data.camids,
        iterations=chosen.iterations,
        batch_size=chosen.batch_size,
        num_instances=chosen.num_instances,
        across_cameras=True,
        rng=np.random.default_rng(0),
    )


# --- ours ----------------------------------------------------------------------------------


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
        (training.Learner, "forward", "forward"),
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
            pad=chosen.pad,
            erase_probability=chosen.erase_probability,
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
                loss.backward()
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
