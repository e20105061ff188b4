"""Checks of what computes: the device, its number for several processes."""

import re

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
