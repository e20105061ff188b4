"""A dress rehearsal with MSMT17's real counts: configure and prepare-data, time and memory.

Usage: python -m benchmarks.data_sets [--height N] [--width N] [--workers N]

A generated tree has MSMT17's folders, list files and 126,441 images: links to some hundred drawn
ones, so that it takes no room. Beside prepare-data stands the bare loop over the same files, in as
many processes: open, convert, resize, keep nothing. Prints a table in Markdown.
"""

import argparse
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from itertools import cycle
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from benchmarks.measuring import GiB, table
from pplr.datasets.demo import DemoSettings, read_demo

ROOT = Path(__file__).parents[1]
# list → images, identities
LISTS = {
    "list_train.txt": (30_248, 1_041),
    "list_val.txt": (2_373, 1_041),
    "list_query.txt": (11_659, 3_060),
    "list_gallery.txt": (82_161, 3_060),
}
CAMERAS = 15


def make_tree(root: Path) -> list[Path]:
    """Write lists and images; return the images."""
    people = read_demo(DemoSettings(), height=128, width=64)["train"]
    drawn = root / "drawn"
    drawn.mkdir(parents=True)
    for row in range(0, len(people), 4):
        people.open_image(row).save(drawn / f"{row}.jpg", quality=90)
    sources = cycle(sorted(drawn.iterdir()))
    files = []
    for name, (images, identities) in LISTS.items():
        folder = root / ("train" if name in ("list_train.txt", "list_val.txt") else "test")
        lines = []
        for number in range(images):
            pid = number % identities
            camera = (number // identities + number) % CAMERAS + 1
            own = f"{pid:04d}/{pid:04d}_{number:06d}_{camera:02d}_0303{name[5:8]}_0015_0.jpg"
            lines.append(f"{own} {pid}\n")
            file = folder / own
            file.parent.mkdir(parents=True, exist_ok=True)
            os.link(next(sources), file)
            files.append(file)
        (root / name).write_text("".join(lines))
    return files


def run(folder: Path, *command: str) -> tuple[float, float]:
    """Run a command to its end; return its seconds and the peak of its processes' memory."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=sys.stderr, stderr=sys.stderr)
    peak = 0.0

    def watch() -> None:
        nonlocal peak
        while process.poll() is None:
            held = 0
            try:
                parent = psutil.Process(process.pid)
                for child in (parent, *parent.children(recursive=True)):
                    held += child.memory_full_info().uss
            except psutil.Error:
                continue
            peak = max(peak, held)
            time.sleep(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    if process.wait():
        sys.exit(f"{' '.join(command)} has failed")
    watcher.join()
    return time.perf_counter() - start, peak


def bare_loop(files: list[Path], height: int, width: int) -> None:
    """Open, convert and resize, and keep nothing."""
    for file in files:
        with Image.open(file) as image:
            np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC))


def main() -> None:
    """Make the tree, run both commands and the bare loop, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    size = (arguments.height, arguments.width)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in ("pplr", "stages", "dvc.yaml"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
        files = make_tree(folder / "images")
        pplr = str(Path(sys.executable).with_name("pplr"))
        configure = [pplr, "configure", "msmt17", "--data-dir", "images"]
        for key in ("height", "width", "workers"):
            configure += ["--set", f"{key}={getattr(arguments, key)}"]
        configured = run(folder, *configure)
        start = time.perf_counter()
        loops = [
            multiprocessing.Process(target=bare_loop, args=(files[i :: arguments.workers], *size))
            for i in range(arguments.workers)
        ]
        for loop in loops:
            loop.start()
        for loop in loops:
            loop.join()
        bare = time.perf_counter() - start
        prepared = run(folder, sys.executable, "-m", "stages.launch", "prepare-data")
    N = len(files)
    table(
        f"MSMT17's counts, {N:,} images of 128 × 64 to {size[0]} × {size[1]}",
        "step | seconds | images/s | memory of all processes | share of the bare loop's throughput",
        [
            f"pplr configure | {configured[0]:.1f} | | {configured[1] / GiB:.2f} GiB |",
            f"bare loop | {bare:.1f} | {N / bare:.0f} | |",
            f"prepare-data, start and writing included | {prepared[0]:.1f} | "
            f"{N / prepared[0]:.0f} | {prepared[1] / GiB:.2f} GiB | {bare / prepared[0]:.2f}",
        ],
    )


if __name__ == "__main__":
    main()
