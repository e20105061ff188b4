"""What weights cannot be read or do not fit, and what is said of it."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from pplr.errors import WeightsError
from pplr.network.prefixes import best_prefix

ANOTHER_FILE = "set `weights` to such a file with `pplr configure … --set weights=PATH`"
SAVED = "save `model.state_dict()` where the file was made, or set `weights` to another one"
AGAIN = "download the file itself again, or set `weights` to another one"
INDENT = "\n" + 11 * " "  # below the text of an error's part


def check_weights_file(path: Path) -> bytes:
    """Return the first bytes of a file; raise a WeightsError where it is plainly no weights."""
    try:
        if path.is_dir():
            raise _no_weights(path, "a folder", "name a file in it, --set weights=PATH")
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise _no_weights(path, error.strerror or "not readable", ANOTHER_FILE) from None
    text = head.lstrip().lower()
    if not head:
        raise _no_weights(path, "an empty file", AGAIN)
    if text.startswith(b"version https://git-lfs"):
        raise _no_weights(path, "a Git LFS pointer, not the file it stands for", "`git lfs pull`")
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise _no_weights(path, "a web page, saved under the name of weights", AGAIN)
    return head


def unreadable_weights(path: Path, error: Exception) -> WeightsError:
    """Return the error for a file of weights that cannot be read."""
    text = str(error)
    if "TorchScript" in text:
        return _no_weights(path, "a TorchScript archive, a program with its weights", SAVED)
    if objects := re.findall(
        r"Unsupported (?:global|class|operand).*?([A-Za-z_]\w*\.[\w.]+)", text
    ):
        found = "it holds objects, which are not loaded because they could run code: "
        return _no_weights(path, found + _some(objects), SAVED)
    # torch's own text advises to load without its safeguards
    reason = "broken, or of another kind" if "weights_only" in text else text or "no whole file"
    found = f"{type(error).__name__}: {_short(reason.splitlines()[0])}"
    return _no_weights(path, found, ANOTHER_FILE)


def no_state_dict(path: Path, content: object) -> WeightsError:
    """Return the error for a file of weights that holds something else."""
    found = f"a {type(content).__name__} that is no state dict"
    if isinstance(content, dict) and content:
        found += f"; its keys: {_some(content)}"
    return _no_weights(path, found, ANOTHER_FILE)


def check_fit(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], *, where: str) -> None:
    """Raise a WeightsError unless a state dict can be loaded into a network, all of it finite.

    Parameters
    ----------
    wanted
        The network's state dict. Keys of layers that it does not have may be in `state`, and its
        batch counters may be missing there.
    state
        The weights.
    where
        Where they are from.
    """
    check_plain({key: state[key] for key in wanted if key in state}, where=where)
    missing = [key for key in wanted if key not in state and not key.endswith("batches_tracked")]
    layers = {key.split(".")[0] for key in wanted}
    unexpected = [key for key in state if key not in wanted and key.split(".")[0] in layers]
    common = [key for key in wanted if key in state]
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in common
        if state[key].shape != wanted[key].shape
    ]
    if missing or unexpected or shapes:
        lines = (
            f"{len(missing)} missing: {_some(missing)}",
            f"{len(unexpected)} unexpected: {_some(unexpected)}",
            f"{len(shapes)} of another shape: {_some(shapes, most=2, width=70)}",
            f"{len(state)} in the file: {_some(state)}",
            f"{len(wanted)} in the network: {_some(wanted)}",
        )
        raise WeightsError(
            what="The weights do not fit the backbone.",
            where=where,
            value=INDENT.join(lines),
            allowed=f"the {len(wanted)} keys of the backbone, and keys of layers it does not have",
            next_step=_way_to_fit(
                wanted,
                state,
                only_positions=not missing and not unexpected and all("pos" in s for s in shapes),
            ),
        )
    for key in common:
        _check_numbers(key, state[key], wanted[key].dtype, where)


def _way_to_fit(
    wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], *, only_positions: bool
) -> str:
    """Return what to do about weights that do not fit: the prefix in their way, if it is one."""
    if only_positions:
        return "set `height` and `width` to the size the weights were trained at"
    prefix, count = best_prefix(state, wanted)
    if prefix and 2 * count > len(wanted):
        fitting = f"{count} of {len(wanted)} keys fit behind `{_short(prefix, 40)}`"
        return f"{fitting}: save those alone, without it"
    return (
        "set `backbone` to the network of these weights, or, if it is, `height` and `width` to the "
        "size they were trained at; or take another file"
    )


def check_plain(state: Mapping[str, Tensor], *, where: str) -> None:
    """Raise a WeightsError for a tensor that is no plain one: of some nobody can ask the shape."""
    for key, value in state.items():
        kinds = {
            "nested": value.is_nested,
            "quantized": value.is_quantized,
            "without values (meta)": value.is_meta,
            "sparse": value.layout is not torch.strided,
        }
        for kind, is_so in kinds.items():
            if is_so:
                raise _no_numbers(key, f"{_name(value.dtype)}, {kind}: no plain tensor", where)


def _check_numbers(key: str, value: Tensor, wanted: torch.dtype, where: str) -> None:
    """Raise a WeightsError unless weights are finite numbers of the kind that is wanted."""
    if wanted.is_floating_point and not value.is_floating_point():
        raise _no_numbers(key, _name(value.dtype), where)
    try:
        count = num_not_finite(value.to(wanted))
    except NotImplementedError:  # packed numbers of 4 bits, say
        raise _no_numbers(key, f"{_name(value.dtype)}, which torch cannot convert", where) from None
    if count:
        found = f"{count} of {value.numel()} values as {_name(wanted)}"
        what = "The weights hold NaN or infinite values."
        raise _no_numbers(key, found, where, what=what)


def _no_numbers(
    key: str, found: str, where: str, *, what: str = "The weights are no floating-point numbers."
) -> WeightsError:
    return WeightsError(
        what=what,
        where=where,
        value=f"{_short(key)}: {found}",
        allowed="finite floating-point numbers",
        next_step="set `weights` to another file, or look at how this one was made",
    )


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def num_not_finite(value: Tensor) -> int:
    """Return how many values of a tensor are NaN or infinite."""
    return int((~value.isfinite()).sum())


def _some(names: Iterable[object], *, most: int = 3, width: int = 45) -> str:
    """Return a few names in a line, and how many more there are."""
    listed = [_short(str(name), width) for name in names]
    more = f", … and {len(listed) - most} more" if len(listed) > most else ""
    return (", ".join(listed[:most]) or "none") + more


def _short(text: str, width: int = 80) -> str:
    """Return a text of someone else's file in printable characters, its middle cut out."""
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= width else f"{text[: width // 2]}…{text[-(width // 2) + 1 :]}"


def _no_weights(path: Path, value: str, next_step: str) -> WeightsError:
    return WeightsError(
        what="The weights cannot be read.",
        where=str(path),
        value=value,
        allowed="a state dict of tensors, as .safetensors or as torch.save writes it",
        next_step=next_step,
    )
