"""What the epochs of benchmarks/training.py train on: the demo's images and random features."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pplr.datasets.decoding import decode_images
from pplr.datasets.demo.reader import read_demo
from pplr.datasets.files import make_table
from pplr.datasets.image_table import UNKNOWN
from pplr.network.backbones import make_backbone
from pplr.network.model import ReIDModel
from pplr.settings.groups import DemoSettings, TrainingSettings
from pplr.settings.presets import EMBEDDED, PRESETS
from pplr.storage.images import PackedImages, complete_split, create_split
from pplr.training.records import EpochData
from pplr.training.sampler import pk_batches

HEIGHT, WIDTH, P, BATCH = 128, 64, 3, 64


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
