"""State dicts out of the files in which they are found."""

import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.serialization import safe_globals

from pplr.network.weight_checks import check_weights_file, no_state_dict, unreadable_weights

# Under these names a training checkpoint has its model's state dict.
MODELS = ("state_dict", "model", "model_state_dict", "net", "network")


class Ignored:
    """In the place of what stands beside the weights: it takes anything and does nothing."""

    def __init__(self, *_: Any):
        pass

    def __setstate__(self, _: Any) -> None:
        """Forget the state."""


# NumPy's numbers and arrays, also under NumPy 1's names, and a script's options. They are not
# made themselves: NumPy's own functions crash on the state of a damaged file.
IGNORED: list[Any] = [
    (Ignored, name)
    for name in (
        *("numpy.dtype", "numpy.ndarray", "argparse.Namespace"),
        *(f"numpy.{core}.multiarray.scalar" for core in ("core", "_core")),
        *(f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")),
    )
]


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the state dict of a safetensors or PyTorch file; no pickled code is run.

    Raises
    ------
    WeightsError
        The file is missing, cannot be read, or holds no state dict.
    """
    head = check_weights_file(path)
    try:
        content = load_file(path) if head[8:9] == b"{" else _load(path)
    except Exception as error:  # both raise what their parsing of broken bytes runs into
        raise unreadable_weights(path, error) from None
    state = _state_dict(content)
    if not state:
        raise no_state_dict(path, content)
    return state


def _load(path: Path) -> Any:
    # opened here: of a path, torch would go by its suffix
    with path.open("rb") as file, warnings.catch_warnings(), safe_globals(IGNORED):
        warnings.simplefilter("ignore")  # of old formats; what is wrong ends in an error
        return torch.load(file, map_location="cpu", weights_only=True)


def _state_dict(content: Any) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint's model: below its name, the only ones, or at the top."""
    if not isinstance(content, dict):
        return {}
    named = [content[name] for name in MODELS if isinstance(content.get(name), dict)]
    for nested in named:
        if state := _state_dict(nested):
            return state
    if state := _tensors(content):
        return state
    below = [tensors for nested in content.values() if (tensors := _tensors(nested))]
    return below[0] if len(below) == 1 else {}


def _tensors(content: Any) -> dict[str, Tensor]:
    if not isinstance(content, dict):
        return {}
    return {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
