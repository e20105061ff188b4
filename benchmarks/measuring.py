"""Seconds and peak memory of a step, and tables of them in Markdown."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

GiB = 2**30


def held(*, peak: bool = False) -> float:
    """Return the bytes of memory the process holds, or has held since `measured` last began."""
    wanted = "VmHWM:" if peak else "VmRSS:"
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(float(line.split()[1]) for line in lines if line.startswith(wanted))


def measured(step: Callable[[], Any], base: float) -> tuple[Any, float, float]:
    """Return a step's result, its seconds, and the bytes at its peak over `base`."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    start = time.perf_counter()
    result = step()
    seconds = time.perf_counter() - start
    return result, seconds, held(peak=True) - base


def table(title: str, header: str, rows: list[str]) -> None:
    """Print a table in Markdown."""
    print(f"\n### {title}\n\n| {header} |\n|{'---|' * (header.count('|') + 1)}")
    for row in rows:
        print(f"| {row} |")
    sys.stdout.flush()
