"""A backbone of two layers and weights for it, small enough to be written out."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pplr.network.backbones import Backbone


def small_backbone() -> Backbone:
    """Return a backbone with six keys: one weight in a, a whole batch norm in b."""
    layers = {"a": nn.Conv2d(3, 2, 1, bias=False), "b": nn.BatchNorm2d(2)}
    return Backbone(layers, num_features=2, num_rows=1)


def small_state(seed: int = 0) -> dict[str, Tensor]:
    """Return random weights of the small backbone."""
    generator = torch.Generator().manual_seed(seed)
    return {
        key: torch.rand(value.shape, generator=generator)
        if value.is_floating_point()
        else torch.tensor(7)
        for key, value in small_backbone().state_dict().items()
    }


def assert_equal(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Assert that two state dicts have the same keys and the same values."""
    assert set(actual) == set(expected)
    for key in expected:
        torch.testing.assert_close(actual[key], expected[key], rtol=0, atol=0)
