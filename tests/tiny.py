"""A workspace with a tiny data set, in which every stage takes seconds."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pplr.settings.params import Params, parse_params
from pplr.settings.presets import PRESETS
from pplr.settings.schedule import Schedule, make_schedule
from pplr.settings.writing import format_params, format_schedule
from stages import launch, order

ROOT = Path(__file__).parents[1]

TINY = {
    "height": 64,
    "width": 32,
    "k1": 6,
    "k2": 2,
    "eps": 0.7,
    "min_samples": 2,
    "k": 5,
    "aals_epoch": 1,
    "iterations": 3,
    "batch_size": 12,
    "num_instances": 3,
    "pad": 2,
    "demo_people": 8,
    "demo_images": 6,
    "demo_cameras": 3,
    "demo_distractors": 2,
    "arithmetic": "native",  # most tests run the stages in their own process
}


def tiny_params(**changes: object) -> Params:
    """Return the settings of the tiny data set, with changes."""
    return parse_params({**PRESETS["demo"], **TINY, **changes}, where="tests")


def tiny_schedule(*, epochs: int = 2) -> Schedule:
    """Return a schedule of a few alternations, the last one evaluated."""
    return make_schedule(
        epochs=epochs,
        evaluate_every=epochs,
        images="pplr/datasets/demo",
        weights=PRESETS["demo"]["weights"],
    )


def write_settings(folder: Path, params: Params, schedule: Schedule) -> None:
    """Write params.yaml and schedule.yaml."""
    (folder / "params.yaml").write_text(format_params(params))
    (folder / "schedule.yaml").write_text(format_schedule(schedule))


def make_workspace(folder: Path, **changes: object) -> Path:
    """Fill a folder with the pipeline's code and the tiny settings; return it."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("pplr", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    for name in ("dvc.yaml", ".dvcignore", ".gitignore", PRESETS["demo"]["weights"]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    write_settings(folder, tiny_params(**changes), tiny_schedule())
    return folder


def copy_kernels(folder: Path) -> None:
    """Bring what Numba has compiled into a workspace whose stages are processes of their own.

    They would compile the same for half a minute. Numba names the folder of a module's kernels by
    the module's place, and does not use a kernel of another source: it compares time and size.
    """
    kernels = Path(os.environ["NUMBA_CACHE_DIR"])  # of the sources as they are
    for package in {path.parent for path in (ROOT / "pplr").rglob("*.py")}:
        source = kernels / _numbas_name(package)
        if source.is_dir():
            own = folder / package.relative_to(ROOT)
            shutil.copytree(source, folder / kernels.relative_to(ROOT) / _numbas_name(own))


def _numbas_name(package: Path) -> str:
    return f"{package.name}_{hashlib.sha1(str(package).encode()).hexdigest()}"


def digests(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a folder, timing left out, by relative path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "timing" not in path.parts
    }


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def commands() -> list[tuple[str, ...]]:
    """Return every stage of the tiny schedule with its arguments, in their order."""
    return [(one.stage, *one.arguments) for one in order.commands(tiny_schedule())]


def run_all(folder: Path, *, then: Callable[[tuple[str, ...]], None] | None = None) -> None:
    """Run every stage in a workspace, in this process; call `then` after each."""
    with working_in(folder):
        for command in commands():
            assert launch.main(*command) == 0
            if then is not None:
                then(command)
