"""Speed and memory of a device: extraction and training beside the bare network."""

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.gpu_checks import PRECISIONS
from benchmarks.gpu_work import (
    PAPER,
    Work,
    arithmetic,
    features,
    peak,
    seconds,
    settings,
    unavailable,
)
from benchmarks.measuring import GiB, table
from benchmarks.training import in_turns
from pplr.network.extraction import BATCH_SIZE
from pplr.network.model import autocast
from pplr.network.normalising import to_normalised
from pplr.training.epoch import train_epoch
from pplr.training.records import EpochStart


def speed(work: Work, device: str) -> None:
    """Print the images a second of extraction and training, and the memory they take."""
    extraction, training, memory = [], [], []
    for precision in PRECISIONS:
        if reason := unavailable(precision, device):
            extraction.append(f"{precision} | {reason} | | ")
            training.append(f"{precision} | {reason} | | | ")
            continue
        with arithmetic(precision) as name:
            cells, first = _extraction(work, device, name)
            extraction.append(f"{precision} | {cells}")
            cells, second = _training(work, device, name)
            training.append(f"{precision} | {cells}")
        memory.append(f"{precision} | {first / GiB:.2f} | {second / GiB:.2f}")
    size = work.size
    images = f"{size.backbone}, {size.height} × {size.width}"
    columns = "ours, images/s | bare network, images/s | ours ÷ bare (of turns)"
    table(
        f"Extraction of {size.extracted:,} images, {images}", f"precision | {columns}", extraction
    )
    table(
        f"Training, {size.iterations} iterations of {size.batch} images, {images}",
        f"precision | {columns} | ours waits for data",
        training,
    )
    where = "of the process" if device == "cpu" else "of torch on the device"
    table(f"Peak memory {where}, GiB", "precision | extraction | training", memory)


def _extraction(work: Work, device: str, precision: str) -> tuple[str, float]:
    """Return the cells of a row, and the bytes at the peak."""
    backbone = _bare(work, device).eval()
    images = _on_device(work, device, BATCH_SIZE)
    batches = -(-work.size.extracted // BATCH_SIZE)

    def extract() -> Any:
        return features(work, device=device, precision=precision, images="extracted")

    def forward() -> None:
        with torch.inference_mode(), autocast(device, precision):
            for _ in range(batches):
                backbone(images)

    def ours() -> float:
        return work.size.extracted / seconds(extract, device)[1]

    def bare() -> float:
        return batches * BATCH_SIZE / seconds(forward, device)[1]

    _, held = peak(extract, device)  # and warms up
    forward()
    return _cells(*in_turns(ours, bare, work.size.rounds)), held


def _training(work: Work, device: str, precision: str) -> tuple[str, float]:
    """Return the cells of a row, and the bytes at the peak."""
    size = work.size
    chosen = settings(precision, iterations=size.iterations, batch=size.batch)
    step = _bare_step(work, device, precision)
    waits: list[float] = []

    def ours() -> float:
        result = train_epoch(
            work.model(), work.data(), chosen, epoch=0, start=EpochStart(), device=device
        )
        waits.append(result.waiting_share)
        return result.images_per_second

    def bare() -> float:
        taken = seconds(lambda: [step() for _ in range(size.iterations)], device)[1]
        return size.iterations * size.batch / taken

    _, held = peak(ours, device)  # and warms up
    waits.clear()
    step()
    cells = _cells(*in_turns(ours, bare, size.rounds))
    return f"{cells} | {statistics.median(waits):.1%}", held


def _bare(work: Work, device: str) -> nn.Module:
    """Return the network alone, as the model has it: on the device, channels last."""
    model = work.model().to(memory_format=torch.channels_last)
    network: nn.Module = model.backbone.to(device)
    return network


def _bare_step(work: Work, device: str, precision: str) -> Callable[[], None]:
    """Return an iteration of the network alone, on a batch that lies on the device already."""
    backbone = _bare(work, device).train()
    optimizer = torch.optim.Adam(
        backbone.parameters(), lr=PAPER["lr"], weight_decay=PAPER["weight_decay"], fused=True
    )
    images = _on_device(work, device, work.size.batch)

    def step() -> None:
        with autocast(device, precision):
            maps = backbone(images)
        optimizer.zero_grad()
        maps.float().square().mean().backward()
        optimizer.step()

    return step


def _on_device(work: Work, device: str, batch: int) -> Tensor:
    return to_normalised(work.images("extracted")[np.arange(batch)], device)


def _cells(ours: float, bare: float, ratios: list[float]) -> str:
    """Return two speeds and their ratio as cells."""
    turns = f"{min(ratios):.2f} to {max(ratios):.2f}"
    return f"{ours:.0f} | {bare:.0f} | {statistics.median(ratios):.2f} ({turns})"
