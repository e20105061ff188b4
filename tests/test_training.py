from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pplr import losses
from pplr.backbones import Backbone
from pplr.errors import ClusteringError, DataError
from pplr.model import ReIDModel
from pplr.store import PackedImages, write_split
from pplr.training import (
    EpochData,
    EpochResult,
    TrainingSettings,
    _make_optimizer,
    _optimizer_state,
    epoch_losses,
    train_epoch,
)

N, D, P = 12, 6, 2

SETTINGS = TrainingSettings(
    beta=0.5,
    aals_epoch=5,
    pglr_epoch=2,
    smoothing=0.1,
    part_refinement="agreement",
    global_refinement="parts",
    iterations=4,
    batch_size=8,
    num_instances=2,
    sampler_cameras=True,
    lr=1e-2,
    weight_decay=5e-4,
    lr_step=3,
    lr_gamma=0.1,
    pad=1,
    erase_probability=0.5,
    seed=1,
)


def tiny_model() -> ReIDModel:
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(3, D, kernel_size=3, stride=2)
    return ReIDModel(Backbone({"conv": conv}, num_features=D), num_parts=P)


@pytest.fixture
def data(tmp_path: Path) -> EpochData:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (N, 16, 8, 3)).astype(np.uint8)
    write_split(
        tmp_path / "train",
        [images],
        shape=images.shape,
        columns={},
        paths=[f"{i}.jpg" for i in range(N)],
    )
    return EpochData(
        images=PackedImages(tmp_path / "train"),
        camids=np.arange(N, dtype=np.int32) % 3,
        pseudo_labels=np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, -1], dtype=np.int32),
        global_features=rng.standard_normal((N, D)).astype(np.float16),
        part_features=rng.standard_normal((N, P, D)).astype(np.float16),
        agreement=rng.random((N, P)).astype(np.float32),
    )


def train(
    model: ReIDModel,
    data: EpochData,
    settings: TrainingSettings = SETTINGS,
    *,
    epoch: int = 0,
    state: dict[str, Tensor] | None = None,
) -> EpochResult:
    return train_epoch(model, data, settings, epoch=epoch, optimizer_state=state, device="cpu")


def test_the_same_seed_and_epoch_give_the_same_weights(data: EpochData) -> None:
    models = [tiny_model() for _ in range(3)]
    results = [
        train(model, data, epoch=epoch) for model, epoch in zip(models, (0, 0, 1), strict=True)
    ]
    states = [model.state_dict() for model in models]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert results[0].losses == results[1].losses
    assert not torch.equal(states[0]["backbone.conv.weight"], states[2]["backbone.conv.weight"])


def test_another_seed_gives_other_weights(data: EpochData) -> None:
    first, second = tiny_model(), tiny_model()
    train(first, data)
    train(second, data, replace(SETTINGS, seed=2))
    assert not torch.equal(first.backbone.conv.weight, second.backbone.conv.weight)


def test_outliers_are_never_seen(data: EpochData) -> None:
    seen: set[int] = set()

    class Recorder:
        shape = data.images.shape

        def __getitem__(self, rows: np.ndarray) -> np.ndarray:
            seen.update(rows.tolist())
            return data.images[rows]

    train(tiny_model(), replace(data, images=Recorder()), replace(SETTINGS, iterations=20))
    assert seen == set(range(11))


def test_lr_falls_by_gamma_every_step(data: EpochData) -> None:
    rates = [train(tiny_model(), data, epoch=epoch).lr for epoch in (0, 2, 3, 6)]
    np.testing.assert_allclose(rates, [1e-2, 1e-2, 1e-3, 1e-4])


def test_classifiers_are_exactly_the_clusters(data: EpochData) -> None:
    assert train(tiny_model(), data).classifiers.shape == (1 + P, 4, D)


def test_moments_go_on_from_epoch_to_epoch(data: EpochData) -> None:
    model = tiny_model()
    first = train(model, data)
    assert first.optimizer["step"].item() == SETTINGS.iterations
    names = {name for name, p in model.named_parameters() if p.requires_grad}
    assert set(first.optimizer) == {"step"} | {
        f"{moment}.{name}" for moment in ("exp_avg", "exp_avg_sq") for name in names
    }
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    second = train(model, data, epoch=1, state=first.optimizer)
    assert second.optimizer["step"].item() == 2 * SETTINGS.iterations
    fresh = tiny_model()
    fresh.load_state_dict(weights)
    train(fresh, data, epoch=1)
    assert not torch.equal(fresh.backbone.conv.weight, model.backbone.conv.weight)


def test_a_restored_optimizer_steps_as_if_it_had_never_stopped() -> None:
    model, classifiers = tiny_model(), torch.nn.Parameter(torch.ones(1 + P, 4, D))
    images = torch.randn(8, 3, 16, 8, generator=torch.Generator().manual_seed(0))

    def step(model: ReIDModel, optimizer: torch.optim.Adam) -> None:
        optimizer.zero_grad()
        (model(images).square() * torch.arange(D)).sum().backward()
        optimizer.step()

    straight = _make_optimizer(model, classifiers, 1e-2, 5e-4, None)
    step(model, straight)
    step(model, straight)
    other = deepcopy(model)
    restored = _make_optimizer(other, classifiers, 1e-2, 5e-4, _optimizer_state(model, straight))
    step(model, straight)
    step(other, restored)
    assert all(map(torch.equal, model.parameters(), other.parameters()))


def test_the_bnneck_bias_stays_zero(data: EpochData) -> None:
    model = tiny_model()
    train(model, data)
    assert all(not neck.bias.any() for neck in model.bnnecks)
    assert all((neck.weight != 1).any() for neck in model.bnnecks)


def test_inputs_are_left_unchanged(data: EpochData) -> None:
    before = [a.copy() for a in (data.pseudo_labels, data.agreement, data.global_features)]
    first = train(tiny_model(), data)
    moments = {key: value.clone() for key, value in first.optimizer.items()}
    train(tiny_model(), data, epoch=1, state=first.optimizer)
    for old, new in zip(
        before, (data.pseudo_labels, data.agreement, data.global_features), strict=True
    ):
        np.testing.assert_array_equal(old, new)
    assert all(torch.equal(moments[key], first.optimizer[key]) for key in moments)


@pytest.mark.parametrize("labels", [[-1] * N, [0] * N])
def test_fewer_than_two_clusters_end_in_an_error(data: EpochData, labels: list[int]) -> None:
    few = replace(data, pseudo_labels=np.array(labels, dtype=np.int32))
    with pytest.raises(ClusteringError, match="two clusters at least") as error:
        train(tiny_model(), few)
    assert f"{max(labels) + 1} clusters" in str(error.value)


def test_fewer_clusters_than_a_batch_wants_are_trained_on(
    data: EpochData, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tiny_model(), data, replace(SETTINGS, batch_size=16))
    assert "4 clusters, fewer than a batch's 8: batches of 8 images" in capsys.readouterr().out


def test_a_loss_that_is_no_number_ends_in_an_error(data: EpochData) -> None:
    broken = replace(data, agreement=np.full((N, P), np.nan, dtype=np.float32))
    with pytest.raises(DataError, match=r"iteration 0") as error:
        train(tiny_model(), broken, epoch=5)
    assert "part_loss nan" in str(error.value)


@pytest.mark.parametrize(
    ("refinement", "epoch", "part", "whole"),
    [
        (("none", "none"), 9, "cross-entropy", "cross-entropy"),
        (("agreement", "none"), 4, "smoothed", "cross-entropy"),
        (("agreement", "none"), 5, "agreement", "cross-entropy"),
        (("none", "parts"), 1, "cross-entropy", "cross-entropy"),
        (("none", "parts"), 2, "cross-entropy", "parts"),
        (("agreement", "parts"), 5, "agreement", "parts"),
    ],
)
def test_each_refinement_acts_from_its_epoch_on(
    refinement: tuple[str, str], epoch: int, part: str, whole: str
) -> None:
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(8, 1 + P, D, generator=generator)
    logits = torch.randn(8, 1 + P, 4, generator=generator)
    labels = torch.arange(8) // 2
    agreement = torch.rand(8, P, generator=generator)
    settings = replace(SETTINGS, part_refinement=refinement[0], global_refinement=refinement[1])
    terms = epoch_losses(embeddings, logits, labels, agreement, settings, epoch=epoch)
    parts = {
        "cross-entropy": losses.part_cross_entropy(logits[:, 1:], labels),
        "smoothed": losses.part_cross_entropy(logits[:, 1:], labels, smoothing=0.1),
        "agreement": losses.agreement_aware_label_smoothing(logits[:, 1:], labels, agreement),
    }
    wholes = {
        "cross-entropy": torch.nn.functional.cross_entropy(logits[:, 0], labels),
        "parts": losses.part_guided_label_refinement(
            logits[:, 0], logits[:, 1:], labels, agreement, beta=0.5
        ),
    }
    assert len({float(value) for value in parts.values()}) == 3
    assert terms["part_loss"] == parts[part]
    assert terms["global_loss"] == wholes[whole]
    assert terms["triplet_loss"] == losses.softmax_triplet(embeddings[:, 0], labels)
