"""Checks of what computes: the device, its number for several processes, its memory."""

import contextlib
import re
from collections.abc import Iterator

from pplr.errors import SettingError
from pplr.settings.groups import DEVICE


def check_device(device: str, *, where: str = "device in params.yaml") -> None:
    """Raise a SettingError where torch cannot use the device.

    Parameters
    ----------
    device
        What was asked for, in any words.
    where
        The setting or option it stands in.
    """
    if device == "cpu":
        return
    import torch  # two seconds that the CPU need not wait

    count = torch.cuda.device_count()
    if not re.fullmatch(DEVICE, device) or int(device.partition(":")[2] or 0) >= count:
        raise SettingError(
            what="torch cannot use this device.",
            where=where,
            value=f"{device}, with {count} CUDA devices",
            allowed="cpu" if count == 0 else f"cpu, cuda, cuda:0 … cuda:{count - 1}",
            next_step="name another one, or install a torch that sees the GPU",
        )


def check_device_number(num_processes: int) -> None:
    """Raise a SettingError where this machine has fewer GPUs than processes."""
    import torch

    count = torch.cuda.device_count()
    if num_processes > count:
        raise SettingError(
            what="There are fewer GPUs than processes.",
            where="launcher in params.yaml",
            value=f"{num_processes} processes on this machine, with {count} CUDA devices",
            allowed=f"1 to {count} processes, each on a GPU of its own",
            next_step=f"`launcher: torchrun --standalone --nproc-per-node {count}`",
        )


# How torch and faiss say on a GPU, torch on the CPU and NumPy that there is no more memory.
_FULL = re.compile(r"[^.]*out of memory[^.]*|can't allocate memory[^.]*|Unable to allocate.*")


def out_of_memory(error: Exception, *, where: str, next_step: str) -> SettingError | None:
    """Return the error for memory that is full, of a device or of the machine; None for another.

    Parameters
    ----------
    error
        What a library has raised.
    where
        What runs out of it.
    next_step
        What needs less.
    """
    said = _FULL.search(str(error))
    if said is None and not isinstance(error, MemoryError):
        return None
    return SettingError(
        what="There is not enough memory for this.",
        where=where,
        value=said[0] if said else "no more main memory",
        allowed="a device whose memory is free, or one with more of it",
        next_step=next_step,
    )


@contextlib.contextmanager
def memory_named(device: str) -> Iterator[None]:
    """Raise a SettingError where a library says, in a stage, that memory is full."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        advice = (
            "end what else runs on it, or share the batch by `launcher: torchrun …`; smaller "
            "batches or images, and `precision: bfloat16`, need less and give another run"
        )
        where = f"device in params.yaml, {device}"
        known = out_of_memory(error, where=where, next_step=advice)
        if known is None:
            raise
        raise known from None
