import torch
from torch import nn

from pplr.network.backbones import Backbone
from pplr.network.model import ReIDModel
from pplr.training.learner import Learner
from pplr.training.teacher import MeanTeacher

D, P = 6, 2


def tiny_learner() -> Learner:
    torch.manual_seed(0)
    layers = {"conv": nn.Conv2d(3, D, kernel_size=3, stride=2)}
    model = ReIDModel(Backbone(layers, num_features=D, num_rows=7), num_parts=P).train()
    return Learner(model, torch.randn(1 + P, 4, D), samples_per_bn=None, precision="float32")


def test_the_average_by_hand() -> None:
    learner = tiny_learner()
    teacher = MeanTeacher(learner, decay=0.75, state=None)
    kernel = learner.model.backbone.conv.weight
    first = kernel.detach().clone()
    averages = []
    for step in range(4):
        with torch.no_grad():
            kernel += 1
        teacher.follow(learner, step=step)
        averages.append((teacher.state()["backbone.conv.weight"] - first).mean().item())
    # decays 0, 1/2, 2/3, 3/4: 1, 1.5, 2 (two thirds of 1.5 and one of 3), 2.5
    torch.testing.assert_close(averages, [1.0, 1.5, 2.0, 2.5])


def test_the_teacher_predicts_as_the_learner_it_copied() -> None:
    learner = tiny_learner()
    teacher = MeanTeacher(learner, decay=0.9, state=None)
    images = torch.randn(8, 3, 16, 8)
    _, logits = learner(images, [8])
    predicted = teacher.global_logits(images, [8])
    torch.testing.assert_close(predicted, logits[:, 0])
    assert not predicted.requires_grad


def test_the_state_is_the_models_alone() -> None:
    learner = tiny_learner()
    state = MeanTeacher(learner, decay=0.9, state=None).state()
    assert set(state) == set(learner.model.state_dict())
    changed = {name: value + 1 for name, value in state.items()}
    again = MeanTeacher(learner, decay=0.9, state=changed).state()
    assert all(torch.equal(again[name], changed[name]) for name in changed)


def test_the_learner_is_left_alone() -> None:
    learner = tiny_learner()
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    teacher = MeanTeacher(learner, decay=0.9, state=None)
    teacher.global_logits(torch.randn(8, 3, 16, 8), [8])
    teacher.follow(learner, step=5)
    assert all(torch.equal(before[name], value) for name, value in learner.state_dict().items())
    assert all(parameter.requires_grad for parameter in (learner.classifiers,))
