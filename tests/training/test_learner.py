import numpy as np
import pytest
import torch
from torch import nn

from pplr.network.backbones import Backbone
from pplr.network.model import ReIDModel
from pplr.training.learner import Learner, forward_in_groups

D, P = 6, 2


def tiny_model() -> ReIDModel:
    torch.manual_seed(0)
    layers = {"conv": nn.Conv2d(3, D, kernel_size=3, stride=2), "bn": nn.BatchNorm2d(D)}
    return ReIDModel(Backbone(layers, num_features=D, num_rows=7), num_parts=P).train()


def random_images(n: int) -> torch.Tensor:
    return torch.randn(n, 3, 16, 8, generator=torch.Generator().manual_seed(1))


def test_each_group_is_normalised_by_itself() -> None:
    images = random_images(8)
    embeddings = forward_in_groups(tiny_model(), images, 4)
    for group in (slice(0, 4), slice(4, 8)):
        torch.testing.assert_close(embeddings[group], tiny_model()(images[group]))
    means = embeddings.unflatten(0, (2, 4)).mean(1)
    torch.testing.assert_close(means, torch.zeros_like(means), atol=1e-5, rtol=0)


@pytest.mark.parametrize("samples_per_bn", [None, 8, 50])
def test_one_group_is_the_whole_batch(samples_per_bn: int | None) -> None:
    images = random_images(8)
    assert torch.equal(
        forward_in_groups(tiny_model(), images, samples_per_bn), tiny_model()(images)
    )


def test_a_rest_makes_groups_larger_never_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    model, sizes = tiny_model(), []
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda x: sizes.append(len(x)) or forward(x))
    forward_in_groups(model, random_images(11), 4)
    assert sizes == [6, 5]


def test_running_statistics_move_once_to_the_mean_of_the_groups() -> None:
    images = random_images(12)
    model = tiny_model()
    forward_in_groups(model, images, 4)
    alone = []
    for group in images.split(4):
        single = tiny_model()
        single(group)
        alone.append(single)
    for name, buffer in model.named_buffers():
        if buffer.is_floating_point():
            mean = torch.stack([single.get_buffer(name) for single in alone]).mean(0)
            torch.testing.assert_close(buffer, mean)
    assert all(m.momentum == 0.1 for m in model.modules() if isinstance(m, nn.BatchNorm2d))


def test_a_learner_classifies_with_its_classifiers() -> None:
    classifiers = torch.randn(1 + P, 4, D)
    learner = Learner(tiny_model(), classifiers, samples_per_bn=None, precision="float32")
    embeddings, logits = learner(random_images(8), [8])
    assert embeddings.shape == (8, 1 + P, D)
    expected = np.einsum("bsd,scd->bsc", embeddings.detach(), classifiers)
    np.testing.assert_allclose(logits.detach(), expected, atol=1e-5)


def test_bfloat16_is_the_models_arithmetic_alone() -> None:
    learners = [
        Learner(tiny_model(), torch.ones(1 + P, 4, D), samples_per_bn=None, precision=precision)
        for precision in ("float32", "bfloat16")
    ]
    (whole, _), (half, logits) = (learner(random_images(8), [8]) for learner in learners)
    assert half.dtype == logits.dtype == torch.float32
    assert not torch.equal(half, whole)
    torch.testing.assert_close(half, whole, atol=0.1, rtol=0.05)
