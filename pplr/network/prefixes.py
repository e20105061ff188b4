"""What stands before the names of a network's weights in the file of a larger model."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from torch import Tensor

# what a backbone is called within a model, and what parallel training puts before it
WRAPPERS = re.compile(r"((module|model|backbone|base|encoder|network)\.)*")


def best_prefix(keys: Iterable[str], names: Iterable[str]) -> tuple[str, int]:
    """Return the prefix behind which most keys are names, the shortest of equals, and how many.

    Parameters
    ----------
    keys
        Of a state dict, as `module.backbone.conv1.weight`.
    names
        Of a network, as `conv1.weight`.
    """
    known, counts = set(names), Counter({"": 0})
    for key in keys:
        parts = key.split(".")
        for i in range(len(parts)):
            if ".".join(parts[i:]) in known:
                counts["".join(f"{part}." for part in parts[:i])] += 1
    return max(counts.items(), key=lambda item: (item[1], -len(item[0])))


def unwrapped(
    state: Mapping[str, Tensor], names: Iterable[str]
) -> tuple[dict[str, Tensor], list[str]]:
    """Return a network's part of a model's state dict under its own names, and the other keys.

    Only such prefixes are taken away as say that this is the backbone (`WRAPPERS`): among others
    there may be several that fit, such as those of two encoders.
    """
    prefix, _ = best_prefix(state, names)
    if not WRAPPERS.fullmatch(prefix):
        return dict(state), []
    inside = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    return inside, [key for key in state if not key.startswith(prefix)]
