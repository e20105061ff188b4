"""What benchmarks/gpu.py computes with: images, a model and short epochs, made from seeds."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck

from benchmarks.measuring import measured
from pplr.agreement import cross_agreement
from pplr.clustering import pseudo_labels
from pplr.datasets.demo.reader import read_demo
from pplr.jaccard.distance import jaccard_distance
from pplr.jaccard.encoding import k_reciprocal_encoding
from pplr.network.backbones import make_backbone
from pplr.network.checkpoint import read_model, write_model
from pplr.network.extraction import extract_features
from pplr.network.model import ReIDModel
from pplr.network.normalising import to_normalised
from pplr.ranking.lists import ranked_list
from pplr.settings.groups import DemoSettings, TrainingSettings
from pplr.settings.presets import EMBEDDED, PRESETS, WITH_CAMERAS
from pplr.storage.images import PackedImages, complete_split, create_split
from pplr.training.epoch import train_epoch
from pplr.training.records import EpochData, EpochStart

PAPER = {**PRESETS["market1501"], **WITH_CAMERAS["market1501"]}
P, K = PAPER["num_parts"], PAPER["k"]
K1 = 12  # for 8 images of a person; the paper's 30 is for 17
K2, EPS, MIN_SAMPLES = PAPER["k2"], PRESETS["market1501"]["eps"], PAPER["min_samples"]
DRAWN_HEIGHT, DRAWN_WIDTH = 128, 64  # what is larger is resized: drawing takes longer than reading
SETTLING_BATCH = 64
ADDED = 0.2  # of the standard deviation of what it is added to


@dataclass(frozen=True)
class Size:
    """How much is computed.

    Parameters
    ----------
    backbone, height, width
        The model and its images.
    people, images_of_a_person
        What is drawn, and compared between devices.
    extracted
        Images of one extraction that is timed; the drawn ones over and over.
    search
        Images and features of the search.
    steps, step_batch
        Iterations and batch of the epochs that are compared.
    iterations, batch
        Those of the epochs that are timed.
    rounds
        Timings taken in turns.
    """

    backbone: str
    height: int
    width: int
    people: int
    images_of_a_person: int
    extracted: int
    search: tuple[int, int]
    steps: int
    step_batch: int
    iterations: int
    batch: int
    rounds: int


SIZES = {
    "full": Size("resnet50", 384, 128, 64, 8, 3072, (12_936, 2048), 3, 32, 50, 64, 2),
    "small": Size("demo_resnet", 64, 32, 16, 8, 256, (2000, 256), 2, 32, 2, 32, 2),
}


class Work(NamedTuple):
    """A folder that `make_work` has filled, or the same folder in another process."""

    folder: Path
    size: Size

    def model(self) -> ReIDModel:
        """Return the model with its first weights, on the CPU."""
        return read_model(self.folder / "model")

    def images(self, name: str) -> PackedImages:
        """Return the images `drawn` or `extracted`."""
        return PackedImages(self.folder / name)

    def data(self) -> EpochData:
        """Return what an epoch is trained on; the clusters are the people."""
        arrays = np.load(self.folder / "data.npz")
        return EpochData(images=self.images("drawn"), **arrays)


def make_work(folder: Path, size: Size) -> Work:
    """Fill a folder with images, a model, and its features by the CPU; return it."""
    people = read_demo(_easy(size), height=DRAWN_HEIGHT, width=DRAWN_WIDTH)["train"]
    shape = (size.width, size.height)
    pixels = np.stack(
        [np.asarray(people.open_image(row).resize(shape)) for row in range(len(people))]
    )
    _pack(folder / "drawn", pixels)
    _pack(folder / "extracted", np.resize(pixels, (size.extracted, *pixels.shape[1:])))
    described: dict[str, str | int] = {
        "backbone": size.backbone,
        "height": size.height,
        "width": size.width,
    }
    write_model(folder / "model", _settled(size, pixels), {**described, "num_parts": P})
    work = Work(folder, size)
    global_features, part_features = features(work, device="cpu")
    np.savez(
        folder / "data.npz",
        camids=people.camids,
        pseudo_labels=np.unique(people.pids, return_inverse=True)[1].astype(np.int32),
        global_features=global_features,
        part_features=part_features,
        agreement=agreement(global_features, part_features, device="cpu"),
    )
    return work


def _easy(size: Size) -> DemoSettings:
    """Return people whom a network with random weights tells apart, mostly."""
    off = ("camera", "views", "boxes", "occluders", "lookalikes", "backgrounds")
    some = {"demo_light": 0.2, "demo_blur": 0.2, "demo_pose": 0.5}
    some |= {f"demo_{name}": 0.0 for name in off}
    numbers = {"demo_people": size.people, "demo_images": size.images_of_a_person}
    return DemoSettings(**{**EMBEDDED, **some, **numbers, "demo_distractors": 0})


def _pack(path: Path, pixels: NDArray[np.uint8]) -> None:
    create_split(path, pixels.shape)[...] = pixels
    complete_split(path, columns={}, paths=[str(row) for row in range(len(pixels))])


def _settled(size: Size, pixels: NDArray[np.uint8]) -> ReIDModel:
    """Return a model with random weights whose batch norm has the statistics of some images.

    Without them the features of a random network are all alike, and nothing would cluster. What a
    bottleneck adds is made small, as it is in trained networks: else rounding grows with depth.
    """
    torch.manual_seed(0)
    model = ReIDModel(make_backbone(size.backbone, height=size.height, width=size.width), P)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    for block in model.modules():
        if isinstance(block, Bottleneck):
            nn.init.constant_(block.bn3.weight, ADDED)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0  # the batch's own
    rows = np.linspace(0, len(pixels) - 1, SETTLING_BATCH).astype(np.int64)
    with torch.no_grad():
        model.train()(to_normalised(pixels[rows], "cpu"))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model


# --- steps ---------------------------------------------------------------------------------


def features(
    work: Work, *, device: str, precision: str = "float32", images: str = "drawn"
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the model's global and part features of the images, float32."""
    return extract_features(
        work.model(),
        work.images(images),
        device=device,
        precision=precision,
        dtype="float32",
        what=f"{images} images, {device}, {precision}",
    )


def labels_of(global_features: NDArray[np.floating], *, device: str) -> NDArray[np.int32]:
    """Return the (N,) pseudo-labels, with the search they take, as cluster does."""
    ranked = ranked_list(global_features, K1 - 1, device=device)
    encoding = k_reciprocal_encoding(global_features, ranked, k1=K1, k2=K2)
    distance = jaccard_distance(encoding, max_distance=EPS)
    return pseudo_labels(distance, eps=EPS, min_samples=MIN_SAMPLES)


def agreement(
    global_features: NDArray[np.floating], part_features: NDArray[np.floating], *, device: str
) -> NDArray[np.float32]:
    """Return the (N,P) cross agreement, with the searches it takes, as compute-agreement does."""
    parts = [ranked_list(part_features[:, p], K, device=device) for p in range(P)]
    return cross_agreement(
        ranked_list(global_features, K, device=device), np.stack(parts, axis=1), k=K
    )


def settings(precision: str, *, iterations: int, batch: int) -> TrainingSettings:
    """Return the paper's settings, cameras and agreement in use from the first epoch on."""
    values = {name: PAPER[name] for name in TrainingSettings.model_fields}
    values |= {"precision": precision, "iterations": iterations, "batch_size": batch}
    return TrainingSettings(**{**values, "aals_epoch": 0})


def short_epoch(
    work: Work,
    *,
    device: str,
    steps: int,
    precision: str = "float32",
    dtype: torch.dtype = torch.float32,
) -> dict[str, Tensor]:
    """Return losses, gradients, weights and statistics after a few iterations, float64 vectors.

    Losses are the iterations' means, gradients Adam's average of them, statistics batch norm's.
    """
    model = work.model().to(dtype)
    chosen = settings(precision, iterations=steps, batch=work.size.step_batch)
    result = train_epoch(model, work.data(), chosen, epoch=0, start=EpochStart(), device=device)
    moments = [value for name, value in result.optimizer.items() if name.startswith("exp_avg.")]
    return {
        "losses": torch.tensor(list(result.losses.values()), dtype=torch.float64),
        "gradients": vector(moments),
        "weights": vector(list(model.parameters())),
        "statistics": vector([b for b in model.buffers() if b.is_floating_point()]),
    }


def vector(tensors: list[Tensor]) -> Tensor:
    """Return all numbers of some tensors as one float64 vector on the CPU."""
    return torch.cat([tensor.detach().double().cpu().flatten() for tensor in tensors])


# --- devices -------------------------------------------------------------------------------


@contextlib.contextmanager
def arithmetic(precision: str) -> Iterator[str]:
    """Let torch compute in `float32`, `TF32` or `bfloat16`; give PPLR's `precision` for it.

    The flags are those that every torch from 2.6 on has; newer ones must not be mixed with them.
    """
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = precision == "TF32"
    try:
        yield "bfloat16" if precision == "bfloat16" else "float32"
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def unavailable(precision: str, device: str) -> str:
    """Return why the device does not compute in this precision; empty where it does."""
    if precision == "TF32":
        if device == "cpu":
            return "a CPU has no TF32"
        if torch.cuda.get_device_capability(device)[0] < 8:
            return "this GPU has no TF32"
    if precision == "bfloat16" and device != "cpu":
        with torch.cuda.device(device):
            if not torch.cuda.is_bf16_supported(including_emulation=False):
                return "this GPU has no bfloat16"
    return ""


def finish(device: str) -> None:
    """Wait until the device has done what it was told."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def seconds(step: Callable[[], Any], device: str) -> tuple[Any, float]:
    """Return a step's result and its seconds, the device's work included."""
    finish(device)
    start = time.perf_counter()
    result = step()
    finish(device)
    return result, time.perf_counter() - start


def peak(step: Callable[[], Any], device: str) -> tuple[Any, float]:
    """Return a step's result and the bytes at its peak: of torch on a GPU, of the process else."""
    if device == "cpu":
        result, _, most = measured(step, 0)
        return result, most
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return step(), float(torch.cuda.max_memory_allocated(device))
