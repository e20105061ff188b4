"""The demo's stages in one process, for studies of many runs."""

import csv
import dataclasses
import importlib
from collections.abc import Callable
from pathlib import Path

from pplr.settings.configure import make_settings
from pplr.settings.schedule import Schedule
from pplr.settings.writing import format_params, format_schedule
from pplr.storage.layout import RunPaths
from stages.order import commands, module

WEIGHTS = Path(__file__).parents[1] / "demo" / "backbone.safetensors"
PATHS = RunPaths()  # of the current folder
FIGURES = ("mAP", "rank1", "adjusted_rand_index")


def run(stage: str, *arguments: str) -> None:
    """Run one stage in the current folder."""
    importlib.import_module(f"stages.{stage}").main(*arguments)


def run_demo(overrides: list[str], *, prepare: Callable[[], None] = lambda: None) -> None:
    """Run the demo in the current folder, in which its images may lie already.

    Parameters
    ----------
    overrides
        Settings that differ from the demo's, as `key=value`; none of them changes the images.
    prepare
        Called between init-model and the first alternation.
    """
    words = [f"weights={WEIGHTS}", *overrides]
    settings = make_settings("demo", None, epochs=None, cameras=False, overrides=words)
    whole = settings.schedule
    schedule = dataclasses.replace(whole, evaluated=("init", whole.last))
    PATHS.params.write_text(format_params(settings.params))
    PATHS.schedule.write_text(format_schedule(schedule))
    run_stages(schedule, prepare=prepare)


def run_stages(schedule: Schedule, *, prepare: Callable[[], None] = lambda: None) -> None:
    """Run a schedule's stages in the current folder; `prepare` as of `run_demo`.

    Inputs are not checked, as the folder may have none, images are read if there are none yet, and
    nothing is drawn.
    """
    for stage, arguments in commands(schedule):
        if stage == "check-settings" or stage.startswith("draw-"):
            continue
        if stage == "prepare-data" and PATHS.dataset.exists():
            continue
        run(module(stage), *arguments)
        if stage == "init-model":
            prepare()


def last_row() -> dict[str, float]:
    """Return the figures of the last row of the history in the current folder."""
    with PATHS.history.open(newline="") as file:
        row = list(csv.DictReader(file))[-1]
    return {name: float(row[name]) for name in FIGURES}
