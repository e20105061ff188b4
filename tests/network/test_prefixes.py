import pytest
import torch

from pplr.network.prefixes import best_prefix, unwrapped

NAMES = ["conv1.weight", "layer1.0.conv1.weight"]


@pytest.mark.parametrize(
    ("keys", "prefix", "count"),
    [
        (NAMES, "", 2),
        ([f"module.{name}" for name in NAMES], "module.", 2),
        ([f"a.{name}" for name in NAMES] + [f"b.{name}" for name in NAMES], "a.", 2),
        ([f"long.{name}" for name in NAMES] + [f"b.{name}" for name in NAMES], "b.", 2),
        ([NAMES[0], *(f"q.{name}" for name in NAMES)], "q.", 2),
        (["layer2.conv1.weight"], "layer2.", 1),  # `layer2.` looks like a prefix, of one key
        (["fc.weight"], "", 0),
        ([], "", 0),
    ],
)
def test_the_prefix_behind_which_most_keys_are_names(keys, prefix, count):
    assert best_prefix(keys, NAMES) == (prefix, count)


def test_only_wrappers_are_taken_away():
    one = torch.ones(1)
    state = {f"module.backbone.{name}": one for name in NAMES}
    assert unwrapped(state | {"fc.bias": one}, NAMES) == (dict.fromkeys(NAMES, one), ["fc.bias"])
    state = {f"student.{name}": one for name in NAMES}
    assert unwrapped(state, NAMES) == (state, [])
    assert unwrapped({}, NAMES) == ({}, [])
