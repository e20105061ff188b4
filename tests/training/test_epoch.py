import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pplr.errors import ClusteringError, DataError, SettingError
from pplr.network import parallel
from pplr.network.backbones import Backbone
from pplr.network.model import ReIDModel
from pplr.settings.groups import TrainingSettings
from pplr.storage.images import PackedImages
from pplr.training.epoch import train_epoch
from pplr.training.records import EpochData, EpochResult, EpochStart
from pplr.training.teacher import MeanTeacher
from tests.packing import write_split

N, D, P = 12, 6, 2

SETTINGS = TrainingSettings(
    beta=0.5,
    aals_epoch=5,
    pglr_epoch=2,
    smoothing=0.1,
    part_refinement="agreement",
    global_refinement="parts",
    ema_decay=0.9,
    camera_aware=False,
    camera_spaces="all",
    lambda_cam=0.5,
    temperature=0.07,
    num_hard_negatives=50,
    iterations=4,
    batch_size=8,
    num_instances=2,
    sampler_cameras=True,
    samples_per_bn=None,
    lr=1e-2,
    weight_decay=5e-4,
    lr_step=3,
    lr_gamma=0.1,
    pad=1,
    erase_probability=0.5,
    seed=1,
    precision="float32",
)


def changed(**changes: object) -> TrainingSettings:
    return TrainingSettings(**{**SETTINGS.model_dump(), **changes})


def tiny_model(*, drop: float = 0.0) -> ReIDModel:
    torch.manual_seed(0)
    layers = {
        "conv": torch.nn.Conv2d(3, D, kernel_size=3, stride=2),
        "drop": torch.nn.Dropout(drop),
    }
    return ReIDModel(Backbone(layers, num_features=D, num_rows=7), num_parts=P)


@pytest.fixture
def data(tmp_path: Path) -> EpochData:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (N, 16, 8, 3)).astype(np.uint8)
    write_split(tmp_path / "train", images, paths=[f"{i}.jpg" for i in range(N)])
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
    start: EpochStart | None = None,
) -> EpochResult:
    start = start or EpochStart()
    return train_epoch(model, data, settings, epoch=epoch, start=start, device="cpu")


@pytest.mark.parametrize("drop", [0.0, 0.5])
def test_the_same_seed_and_epoch_give_the_same_weights(data: EpochData, drop: float) -> None:
    models = [tiny_model(drop=drop) for _ in range(3)]
    torch.seed()  # another process
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
    train(second, data, changed(seed=2))
    assert not torch.equal(first.backbone.conv.weight, second.backbone.conv.weight)


def test_outliers_are_never_seen(data: EpochData) -> None:
    seen: set[int] = set()

    class Recorder:
        shape = data.images.shape

        def __getitem__(self, rows: np.ndarray) -> np.ndarray:
            seen.update(rows.tolist())
            return data.images[rows]

    train(tiny_model(), replace(data, images=Recorder()), changed(iterations=20))
    assert seen == set(range(11))


def test_the_refined_labels_of_images_that_were_drawn_are_kept(data: EpochData) -> None:
    early = train(tiny_model(), data, changed(iterations=20), epoch=1).refined
    later = train(tiny_model(), data, changed(iterations=20), epoch=2).refined
    for refined in (early, later):
        assert refined.classes.shape == refined.weights.shape == (N, 3)
        assert (refined.classes[11], refined.weights[11]) == (pytest.approx(-1), pytest.approx(0))
    # before pglr_epoch they are the pseudo-labels
    assert early.classes[:11, 0].tolist() == data.pseudo_labels[:11].tolist()
    assert (early.classes[:, 1:] == -1).all()
    assert (early.weights[:11] == (1, 0, 0)).all()
    assert (later.classes[:11] >= 0).all()
    assert (np.diff(later.weights[:11], axis=1) <= 0).all()
    assert (later.weights[:11].sum(axis=1) <= 1 + 1e-6).all()
    assert (later.weights[:11, 0] < 1).all()


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
    second = train(model, data, epoch=1, start=EpochStart(optimizer=first.optimizer))
    assert second.optimizer["step"].item() == 2 * SETTINGS.iterations
    fresh = tiny_model()
    fresh.load_state_dict(weights)
    train(fresh, data, epoch=1)
    assert not torch.equal(fresh.backbone.conv.weight, model.backbone.conv.weight)


def test_the_bnneck_bias_stays_zero(data: EpochData) -> None:
    model = tiny_model()
    train(model, data)
    assert all(not neck.bias.any() for neck in model.bnnecks)
    assert all((neck.weight != 1).any() for neck in model.bnnecks)


def test_inputs_are_left_unchanged(data: EpochData) -> None:
    before = [a.copy() for a in (data.pseudo_labels, data.agreement, data.global_features)]
    first = train(tiny_model(), data)
    moments = {key: value.clone() for key, value in first.optimizer.items()}
    train(tiny_model(), data, epoch=1, start=EpochStart(optimizer=first.optimizer))
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


def test_two_clusters_are_too_few_for_three_processes(
    data: EpochData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "world_size", lambda: 3)
    few = replace(data, pseudo_labels=np.array([0, 1] * (N // 2), dtype=np.int32))
    with pytest.raises(ClusteringError, match="too few clusters for so many processes") as error:
        train(tiny_model(), few, changed(batch_size=12))
    assert "3 processes, batches of 4 images" in str(error.value)


def test_fewer_clusters_than_a_batch_wants_are_trained_on(
    data: EpochData, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tiny_model(), data, changed(batch_size=16))
    assert "4 clusters, fewer than a batch's 8: batches of 8 images" in capsys.readouterr().out


def test_a_loss_that_is_no_number_ends_in_an_error(data: EpochData) -> None:
    broken = replace(data, agreement=np.full((N, P), np.nan, dtype=np.float32))
    with pytest.raises(DataError, match=r"iteration 0") as error:
        train(tiny_model(), broken, epoch=5)
    assert "part_loss nan" in str(error.value)


def test_gradients_and_parameters_that_are_no_numbers_end_in_an_error(
    data: EpochData,
) -> None:
    model = tiny_model()
    # the square root's gradient at 0 is infinite, its value is not
    forward = model.backbone.forward
    model.backbone.forward = lambda x: forward(x) + (forward(x) * 0).sqrt()
    with pytest.raises(DataError, match="gradients, parameters are NaN") as error:
        train(model, data)
    assert "epoch 00, iteration 0" in str(error.value)
    assert "part_loss " in str(error.value)
    broken = tiny_model()
    broken.bnnecks[0].bias.data[0] = torch.inf  # no gradient reaches it
    with pytest.raises(DataError, match="are NaN or infinite"):
        train(broken, data)


def test_the_waiting_share_is_a_share(data: EpochData) -> None:
    result = train(tiny_model(), data)
    assert 0 <= result.waiting_share < 1
    assert result.images_per_second > 0

    class Slow:
        shape = data.images.shape

        def __getitem__(self, rows: np.ndarray) -> np.ndarray:
            time.sleep(1)
            return data.images[rows]

    slow = train(tiny_model(), replace(data, images=Slow()))
    assert result.waiting_share < slow.waiting_share < 1
    assert slow.waiting_share > 0.5


def test_cameras_add_a_loss(data: EpochData) -> None:
    plain = train(tiny_model(), data)
    result = train(tiny_model(), data, changed(camera_aware=True))
    assert set(result.losses) - set(plain.losses) == {"camera_loss"}
    assert result.losses["camera_loss"] > 0
    without = changed(camera_aware=True, lambda_cam=0.0)
    assert train(tiny_model(), data, without).losses == {**plain.losses, "camera_loss": 0.0}


@pytest.mark.parametrize(
    "camids",
    [
        np.zeros(N),
        np.full(N, -1),
        np.array([*[0] * (N - 1), 1]),  # the outlier alone is of another camera
        np.array([*[-1] * (N - 1), 0]),
    ],
)
def test_the_camera_loss_needs_two_cameras(data: EpochData, camids: np.ndarray) -> None:
    single = replace(data, camids=camids.astype(np.int32))
    with pytest.raises(SettingError, match="no cameras to tell apart") as error:
        train(tiny_model(), single, changed(camera_aware=True))
    known = len({*camids[:-1]} - {-1})
    assert f"clustered images of {known} known camera" in str(error.value)


def test_the_mean_teacher_goes_on_from_epoch_to_epoch(data: EpochData) -> None:
    settings = changed(global_refinement="mean-teacher", pglr_epoch=0)
    model = tiny_model()
    assert train(tiny_model(), data).teacher is None
    first = train(model, data, settings)
    assert first.teacher is not None
    assert set(first.teacher) == set(model.state_dict())
    assert not torch.equal(first.teacher["backbone.conv.weight"], model.backbone.conv.weight)
    states = []
    for start in (
        EpochStart(optimizer=first.optimizer, teacher=first.teacher),
        EpochStart(optimizer=first.optimizer),
    ):
        again = tiny_model()
        again.load_state_dict(model.state_dict())
        states.append(train(again, data, settings, epoch=1, start=start).teacher)
    assert not torch.equal(states[0]["backbone.conv.weight"], states[1]["backbone.conv.weight"])


def test_bfloat16_is_near_float32(data: EpochData) -> None:
    whole = train(tiny_model(), data)
    model = tiny_model()
    half = train(model, data, changed(precision="bfloat16"))
    assert half.losses != whole.losses
    assert half.losses == pytest.approx(whole.losses, rel=0.05)
    assert all(value.dtype != torch.bfloat16 for value in model.state_dict().values())


def test_parts_refine_parts(data: EpochData) -> None:
    agreement = np.random.default_rng(0).random((N, P, P)).astype(np.float32)
    settings = changed(part_refinement="parts", aals_epoch=0)
    result = train(tiny_model(), replace(data, part_agreement=agreement), settings)
    assert result.losses["part_loss"] != train(tiny_model(), data).losses["part_loss"]


def test_images_are_normalised_as_the_backbones_weights_want_it(data: EpochData) -> None:
    model = tiny_model()
    model.backbone.mean, model.backbone.std = (0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)
    seen = []
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    train(model, data, changed(pad=0, erase_probability=0))
    pixels = torch.cat(seen)
    torch.testing.assert_close(pixels, pixels.round(), atol=1e-3, rtol=0)  # levels 0…255
    assert (pixels.min(), pixels.max()) == (0, 255)


@pytest.mark.parametrize("refinement", ["parts", "mean-teacher"])
def test_the_power_of_the_pooling_is_trained_and_goes_on(data: EpochData, refinement: str) -> None:
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(3, D, kernel_size=3, stride=2)
    backbone = Backbone({"conv": conv, "relu": torch.nn.ReLU()}, num_features=D, num_rows=7)
    model = ReIDModel(backbone, num_parts=P, pooling="gem")
    settings = changed(global_refinement=refinement)
    result = train(model, data, settings)
    first = model.pooling.p.item()
    assert first != 3
    assert result.optimizer["exp_avg.pooling.p"] != 0
    start = EpochStart(optimizer=result.optimizer, teacher=result.teacher)
    train(model, data, settings, epoch=1, start=start)
    assert model.pooling.p.item() not in (3, first)
    assert (result.teacher or {}).get("pooling.p", 3) != 3 or refinement == "parts"


# --- every setting acts -------------------------------------------------------------------

TEACHER = {"global_refinement": "mean-teacher", "pglr_epoch": 0}
CAMERAS = {"camera_aware": True, "num_hard_negatives": 1}
# a setting, another value of it, and what the others must be for it to act in epoch 3
ACTING: list[tuple[str, object, dict[str, object]]] = [
    ("beta", 0.2, {}),
    ("beta", 0.2, TEACHER),
    ("beta", 0.2, {"part_refinement": "parts", "aals_epoch": 0, "global_refinement": "none"}),
    ("aals_epoch", 3, {}),
    ("pglr_epoch", 4, {}),
    ("smoothing", 0.3, {}),
    ("smoothing", 0.3, {"part_refinement": "balanced", "aals_epoch": 0}),
    ("part_refinement", "none", {}),
    ("global_refinement", "none", {}),
    ("ema_decay", 0.5, TEACHER),
    ("camera_aware", True, {}),
    ("camera_spaces", "global", CAMERAS),
    ("lambda_cam", 0.25, CAMERAS),
    ("temperature", 0.3, CAMERAS),
    ("num_hard_negatives", 3, CAMERAS),
    ("iterations", 5, {}),
    ("batch_size", 4, {}),
    ("num_instances", 4, {}),
    ("sampler_cameras", False, {}),
    ("samples_per_bn", 4, {}),
    ("lr", 3e-2, {}),
    ("weight_decay", 0.1, {}),
    ("lr_step", 4, {}),
    ("lr_gamma", 0.5, {}),
    ("pad", 2, {}),
    ("erase_probability", 0.0, {}),
    ("seed", 2, {}),
    ("precision", "bfloat16", {}),
]


def outcome(data: EpochData, settings: TrainingSettings) -> dict[str, object]:
    """Return all that an epoch makes: the model, the teacher and the losses."""
    model = tiny_model()
    result = train(model, data, settings, epoch=3)
    teacher = {f"teacher.{name}": value for name, value in (result.teacher or {}).items()}
    tensors = {name: value.tolist() for name, value in (model.state_dict() | teacher).items()}
    return tensors | result.losses


def test_every_setting_has_a_case() -> None:
    assert {name for name, _, _ in ACTING} == set(TrainingSettings.model_fields)


@pytest.mark.parametrize(("name", "value", "others"), ACTING)
def test_another_value_makes_another_epoch(
    data: EpochData, name: str, value: object, others: dict[str, object]
) -> None:
    if others.get("part_refinement") == "parts":
        among = np.random.default_rng(0).random((N, P, P)).astype(np.float32)
        data = replace(data, part_agreement=among)
    before = outcome(data, changed(**others))
    assert outcome(data, changed(**others)) == before
    assert outcome(data, changed(**{**others, name: value})) != before


def test_without_cameras_for_the_sampler_they_make_no_difference(data: EpochData) -> None:
    settings = changed(sampler_cameras=False)
    turned = replace(data, camids=np.roll(data.camids, 1))
    assert outcome(turned, settings) == outcome(data, settings)
    assert outcome(turned, SETTINGS) != outcome(data, SETTINGS)


def test_the_teachers_steps_are_counted_over_all_epochs(
    data: EpochData, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    monkeypatch.setattr(MeanTeacher, "follow", lambda *_, step: steps.append(step))
    train(tiny_model(), data, changed(**TEACHER), epoch=2)
    assert steps == [8, 9, 10, 11]
