"""Two epochs of training, in float64: every loss and every tensor as in the official code."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from pplr.network.backbones import make_backbone
from pplr.network.model import ReIDModel
from pplr.settings.groups import TrainingSettings
from pplr.storage.images import PackedImages
from pplr.training.epoch import train_epoch
from pplr.training.records import EpochData, EpochResult, EpochStart
from tests.golden.recorded import assert_near, recorded
from tests.packing import write_split

HEIGHT, WIDTH, N, C, P, D = 64, 32, 16, 4, 3, 2048
EPOCHS = (0, 5)  # before and after agreement-aware smoothing begins

# Those of the recording. Twelve of the 16 proxies are of other clusters: with more negatives than
# there are such, the official code would count positives among them, and this one would not.
SETTINGS = TrainingSettings(
    beta=0.5,
    aals_epoch=5,
    pglr_epoch=0,
    smoothing=0.1,
    part_refinement="agreement",
    global_refinement="parts",
    ema_decay=0.999,
    camera_aware=False,
    camera_spaces="all",
    lambda_cam=0.5,
    temperature=0.07,
    num_hard_negatives=10,
    iterations=2,
    batch_size=N,
    num_instances=N // C,
    sampler_cameras=True,
    samples_per_bn=None,
    lr=1e-5,
    weight_decay=5e-4,
    lr_step=20,
    lr_gamma=0.1,
    pad=0,
    erase_probability=0.0,
    seed=1,
    precision="float32",  # without autocast: the model's own float64
)

RECORDED = recorded("trajectory")
# in the order of the recording, with what they weigh in ours
LOSSES = {
    "global_loss": 1.0,
    "triplet_loss": 1.0,
    "part_loss": 1.0,
    "camera_loss": SETTINGS.lambda_cam,
}


class Epoch(NamedTuple):
    """What an epoch left."""

    recording: str
    losses: dict[str, float]
    tensors: dict[str, list[float]]  # norm, first and last number, by name in the official code


@pytest.fixture(scope="module", params=[pytest.param("plain", marks=pytest.mark.slow), "cams"])
def epochs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Epoch]:
    settings = SETTINGS.model_copy(update={"camera_aware": request.param == "cams"})
    data = make_data(tmp_path_factory.mktemp("trajectory"))
    return list(train(request.param, data, settings))


def test_losses(epochs: list[Epoch]) -> None:
    for recording, losses, _ in epochs:
        values = [losses[name] / weight for name, weight in LOSSES.items() if name in losses]
        assert_near("loss in training", values, RECORDED[f"{recording}_losses"])


def test_weights_and_statistics(epochs: list[Epoch]) -> None:
    for recording, _, tensors in epochs:
        names = RECORDED[f"{recording}_names"].tolist()
        assert set(tensors) == set(names)
        values = np.array([tensors[name] for name in names])  # (285,3)
        expected = RECORDED[f"{recording}_values"]
        norms = expected[:, :1]
        scales = np.where(norms == 0, 1, norms)  # a BNNeck's bias stays 0
        assert_near("weights and statistics", values / scales, expected / scales)


def train(name: str, data: EpochData, settings: TrainingSettings) -> Iterator[Epoch]:
    """Yield each epoch, the model and the moments of Adam going on between them."""
    model = make_model()
    start = EpochStart()
    for epoch in EPOCHS:
        result = train_epoch(model, data, settings, epoch=epoch, start=start, device="cpu")
        start = EpochStart(optimizer=result.optimizer)
        yield Epoch(f"{name}_{epoch}", result.losses, summaries(model, result))


def make_data(folder: Path) -> EpochData:
    """Return 16 images of four classes and four cameras, so that every batch holds all of them."""
    # mirror-symmetric: flipping, which both codes do at random, changes nothing
    half = np.random.default_rng(7).integers(0, 256, (N, HEIGHT, WIDTH // 2, 3), dtype=np.uint8)
    images = np.concatenate((half, np.flip(half, axis=2)), axis=2)
    write_split(folder / "train", images, paths=[f"{i}.jpg" for i in range(N)])
    labels = np.arange(N, dtype=np.int32) // (N // C)
    rng = np.random.default_rng(9)
    features = rng.standard_normal((N, 1 + P, D))
    features += 2 * rng.standard_normal((C, 1 + P, D))[labels]
    features /= np.linalg.norm(features, axis=2, keepdims=True)
    return EpochData(
        images=PackedImages(folder / "train"),
        camids=np.arange(N, dtype=np.int32) % 4,
        pseudo_labels=labels,
        global_features=features[:, 0],
        part_features=features[:, 1:],
        agreement=np.random.default_rng(8).random((N, P)).astype(np.float32),
    )


def make_model() -> ReIDModel:
    """Return ResNet-50 in float64, each tensor drawn with its own name as seed; BNNecks are new."""
    model = ReIDModel(make_backbone("resnet50", height=HEIGHT, width=WIDTH), P).double()
    state = model.backbone.state_dict()
    model.backbone.load_state_dict({name: drawn(name, value) for name, value in state.items()})
    return model


def drawn(name: str, like: Tensor) -> Tensor:
    """Return the first weights of a tensor of the backbone."""
    if not like.is_floating_point():
        return like  # how many batches a norm has seen
    normal = np.random.default_rng([ord(letter) for letter in name]).standard_normal(like.shape)
    if like.ndim > 1:  # a convolution
        return torch.from_numpy(normal * np.sqrt(2 / like[0].numel()))
    if name.endswith("running_var"):
        return torch.from_numpy(0.5 + np.abs(normal))
    return torch.from_numpy(0.1 * normal + name.endswith(".weight"))  # around 1, others around 0


def summaries(model: ReIDModel, result: EpochResult) -> dict[str, list[float]]:
    """Return (norm, first, last) of every tensor by its name in the official code."""
    tensors = {
        name.removeprefix("backbone."): tensor
        for name, tensor in model.state_dict().items()
        if not name.startswith("bnnecks") and tensor.is_floating_point()
    }
    for space, suffix in enumerate(("", *map(str, range(P)))):
        tensors[f"classifier{suffix}.weight"] = result.classifiers[space]
        for name, tensor in model.bnnecks[space].state_dict().items():
            if tensor.is_floating_point():
                tensors[f"bnneck{suffix}.{name}"] = tensor
    flat = {name: tensor.flatten() for name, tensor in tensors.items()}
    return {name: [t.norm().item(), t[0].item(), t[-1].item()] for name, t in flat.items()}
