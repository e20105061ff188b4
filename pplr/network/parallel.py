"""Several processes under torch.distributed; one process where there is none."""

from itertools import pairwise
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def world_size() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this process, 0 … world_size - 1."""
    return dist.get_rank() if dist.is_initialized() else 0


def shares(total: int) -> list[slice]:
    """Return each process's share of `total` rows: contiguous, equal but for one row."""
    size = world_size()
    bounds = [total * i // size for i in range(size + 1)]
    return [slice(*pair) for pair in pairwise(bounds)]


def gather_rows(own: Tensor, counts: list[int]) -> Tensor:
    """Return the rows of all processes, in their order.

    Each process gets the gradient of what all of them make of its rows, summed over the processes.

    Parameters
    ----------
    own
        (n, …), the rows of this process.
    counts
        The number of rows of each process.
    """
    if world_size() == 1:
        return own
    gathered: Tensor = _GatherRows.apply(own, counts)
    return gathered


class _GatherRows(torch.autograd.Function):
    """`gather_rows` and its gradient, of collectives that every backend has."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, counts: list[int]) -> Tensor:
        ctx.counts = counts
        missing = own.new_zeros(max(counts) - len(own), *own.shape[1:])
        padded = torch.cat((own, missing))  # all of one size, as all_gather wants them
        gathered = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(gathered, padded)
        return torch.cat([rows[:n] for rows, n in zip(gathered, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return torch.split(total, ctx.counts)[rank()], None


def average_buffers(model: nn.Module) -> None:
    """Average the running statistics of batch norm over the processes, in place."""
    if world_size() == 1:
        return
    for buffer in model.buffers():
        if buffer.is_floating_point():
            dist.all_reduce(buffer)
            buffer /= world_size()
