"""A dress rehearsal with MSMT17's real counts: configure and prepare-data, time and memory.

Usage: python -m benchmarks.data_sets [--height N] [--width N] [--workers N]

A generated tree has MSMT17's folders, list files and 126,441 images: links to some hundred drawn
ones, so that it takes no room. Beside prepare-data stand two bare loops over the same files, in as
many processes: open, convert, resize; one keeps nothing, one writes its pixels, a file for each
process. Before, as much is written once as all of them write: in a virtual machine, memory that
nobody has touched yet is slow, whoever touches it first. Prints a table in Markdown.
"""

import argparse
import contextlib
import json
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
from pplr.datasets.decoding import decode_images
from pplr.datasets.demo.reader import read_demo
from pplr.datasets.msmt17 import read_msmt17
from pplr.settings.groups import DemoSettings
from pplr.settings.presets import EMBEDDED
from pplr.storage.layout import RunPaths

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
    people = read_demo(DemoSettings(**EMBEDDED), height=128, width=64)["train"]
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


def bare_loop(files: list[Path], height: int, width: int, output: Path | None) -> None:
    """Open, convert and resize; write the pixels to a file or keep nothing."""
    with contextlib.nullcontext() if output is None else output.open("wb") as written:
        for file in files:
            with Image.open(file) as image:
                resized = image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
            pixels = np.asarray(resized)
            if written is not None:
                written.write(pixels.data)


def bare_seconds(files: list[Path], size: tuple[int, int], *, workers: int, writes: bool) -> float:
    """Return the seconds of the bare loop in several processes."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        loops = [
            multiprocessing.Process(
                target=bare_loop,
                args=(files[i::workers], *size, Path(folder) / str(i) if writes else None),
            )
            for i in range(workers)
        ]
        for loop in loops:
            loop.start()
        for loop in loops:
            loop.join()
        return time.perf_counter() - start


def touch_memory(file: Path, num_bytes: int) -> None:
    """Write a file of so many bytes and remove it."""
    block = bytes(2**20)
    with file.open("wb") as written:
        for _ in range(num_bytes // len(block)):
            written.write(block)
    file.unlink()


def again_seconds(images: Path, dataset: Path, size: tuple[int, int], workers: int) -> float:
    """Return the seconds of decoding a second time into the same files, which are in memory."""
    tables = read_msmt17(images)
    height, width = size
    start = time.perf_counter()
    for name, rows in tables.items():
        decode_images(rows, dataset / name, height=height, width=width, workers=workers, what=name)
    return time.perf_counter() - start


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
        paths = RunPaths(folder)
        for name in ("pplr", "stages", str(RunPaths().pipeline)):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
        files = make_tree(folder / "images")
        pplr = str(Path(sys.executable).with_name("pplr"))
        configure = [pplr, "configure", "msmt17", "--data-dir", "images"]
        for key in ("height", "width", "workers"):
            configure += ["--set", f"{key}={getattr(arguments, key)}"]
        configured = run(folder, *configure)
        touch_memory(folder / "touched", len(files) * size[0] * size[1] * 3)
        workers = arguments.workers
        bare = bare_seconds(files, size, workers=workers, writes=False)
        writing = bare_seconds(files, size, workers=workers, writes=True)
        prepared = run(folder, sys.executable, "-m", "stages.launch", "prepare-data")
        again = again_seconds(folder / "images", paths.dataset, size, workers)
        timing = json.loads(paths.timing("prepare-data", "all").read_text())
    N = len(files)
    decoding = timing["images_per_second"]
    table(
        f"MSMT17's counts, {N:,} images of 128 × 64 to {size[0]} × {size[1]}",
        "step | seconds | images/s | memory of all processes | of the bare loop's images/s "
        "| of the writing one's",
        [
            f"pplr configure | {configured[0]:.1f} | | {configured[1] / GiB:.2f} GiB | |",
            f"bare loop | {bare:.1f} | {N / bare:.0f} | | 1 |",
            f"bare loop that writes | {writing:.1f} | {N / writing:.0f} | | "
            f"{bare / writing:.2f} | 1",
            f"prepare-data, decoding into the arrays | {N / decoding:.1f} | {decoding:.0f} | | "
            f"{decoding * bare / N:.2f} | {decoding * writing / N:.2f}",
            f"the same a second time, into files in memory | {again:.1f} | {N / again:.0f} | | "
            f"{bare / again:.2f} | {writing / again:.2f}",
            f"prepare-data, the whole stage | {prepared[0]:.1f} | {N / prepared[0]:.0f} | "
            f"{prepared[1] / GiB:.2f} GiB | {bare / prepared[0]:.2f} | {writing / prepared[0]:.2f}",
        ],
    )


if __name__ == "__main__":
    main()
