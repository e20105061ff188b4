from copy import deepcopy

import torch

from pplr.network.backbones import Backbone
from pplr.network.model import ReIDModel
from pplr.training.optimizer import make_optimizer, optimizer_state

D, P = 6, 2


def tiny_model() -> ReIDModel:
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(3, D, kernel_size=3, stride=2)
    return ReIDModel(Backbone({"conv": conv}, num_features=D, num_rows=7), num_parts=P)


def test_a_restored_optimizer_steps_as_if_it_had_never_stopped() -> None:
    rates = {"lr": 1e-2, "weight_decay": 5e-4}
    model, classifiers = tiny_model(), torch.nn.Parameter(torch.ones(1 + P, 4, D))
    model.to(memory_format=torch.channels_last)  # as it is trained; files hold it otherwise
    images = torch.randn(8, 3, 16, 8, generator=torch.Generator().manual_seed(0))

    def step(model: ReIDModel, optimizer: torch.optim.Adam) -> None:
        optimizer.zero_grad()
        (model(images).square() * torch.arange(D)).sum().backward()
        optimizer.step()

    straight = make_optimizer(model, classifiers, **rates, state=None)
    step(model, straight)
    step(model, straight)
    other = deepcopy(model)
    kept = {name: value.contiguous() for name, value in optimizer_state(model, straight).items()}
    restored = make_optimizer(other, classifiers, **rates, state=kept)
    step(model, straight)
    step(other, restored)
    assert all(map(torch.equal, model.parameters(), other.parameters()))


def test_all_of_adam_is_one_kernel() -> None:
    """Otherwise its square roots are MKL's, and the last bit of them is the processor's."""
    classifiers = torch.nn.Parameter(torch.ones(1 + P, 4, D))
    optimizer = make_optimizer(tiny_model(), classifiers, lr=1e-2, weight_decay=0, state=None)
    assert all(group["fused"] for group in optimizer.param_groups)
