"""Run one stage: `python -m stages.launch <stage> [arguments]`.

`launcher` and `device` are read here and stand in no command line, so that neither invalidates a
cached stage: under `launcher: torchrun …` the stages that run the model start as several processes.

A user's mistake ends in one message and exit code 1. How long a stage took stands in data/timing,
which no stage depends on and DVC does not track, so that results have the same bytes each time.
"""

# ruff: noqa: E402

import os
import signal
import sys


def stop(*_: object) -> None:
    """End this process at once, before there is work that could be left half done."""
    print("stopped; `dvc repro` goes on", file=sys.stderr, flush=True)
    os._exit(130)  # as shells say it


if __name__ == "__main__":  # a library that is interrupted while it is loaded fails in its own way
    signal.signal(signal.SIGINT, stop)

import contextlib
import importlib
import time
from collections.abc import Mapping

from pplr.errors import PplrError, memory_named, worded
from pplr.settings.device_checks import check_device
from pplr.settings.groups import MachineSettings
from pplr.storage.json_files import write_json
from pplr.storage.room import check_free, refusals_named
from stages import arithmetic, compiled, guard, order, processes, settings

START = time.monotonic()

# The stages that several processes can share.
PARALLEL = ("extract-features", "train-epoch")
LESS_MEMORY = (
    "end what else runs on it, or share the batch by `launcher: torchrun …`; smaller batches or "
    "images, and `precision: bfloat16`, need less and give another run"
)


def main(stage: str, *arguments: str) -> int:
    """Return the exit code of a stage."""
    several = "TORCHELASTIC_RUN_ID" in os.environ  # torchrun has started this process
    guard.end_with_dvc()
    try:
        before = guard.read_settings()
        machine = settings.params().select(MachineSettings)
        check_device(machine.device)  # again: check-settings may have passed on another machine
        if stage in PARALLEL and machine.launcher != "python" and not several:
            return processes.start(machine.launcher, stage, *arguments)
        module = importlib.import_module(f"stages.{order.module(stage)}")
        if signal.getsignal(signal.SIGINT) is stop:
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a KeyboardInterrupt again
        check_free(settings.PATHS.data, 0)  # before the work; some know what more they need
        with contextlib.ExitStack() as stack:
            stack.enter_context(refusals_named(settings.PATHS.data, 0))
            if several:
                stack.enter_context(processes.joined(machine.device))
            where = f"device in params.yaml, {machine.device}"
            stack.enter_context(memory_named(where, next_step=LESS_MEMORY))
            figures = module.main(*arguments)
        guard.check_unchanged(stage, before)
        if not several or os.environ["RANK"] == "0":
            name = arguments[0] if arguments else "all"
            write_timing(stage, name, {"device": machine.device, **(figures or {})})
    except (PplrError, OSError) as error:
        if several and os.environ["RANK"] != "0":
            time.sleep(processes.SECONDS_FOR_THE_FIRST)
        print(f"{' '.join((stage, *arguments))}: {worded(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{' '.join((stage, *arguments))}: stopped; `dvc repro` goes on", file=sys.stderr)
        return 130
    return 0


def write_timing(stage: str, name: str, figures: Mapping[str, float | str]) -> None:
    """Write how long this process took until now, its device, and the stage's own figures."""
    values = {"seconds": round(time.monotonic() - START, 2)}
    write_json(settings.PATHS.timing(stage, name), {**values, **figures})


def pin_arithmetic() -> None:
    """Make the arithmetic portable where it is set so, before a library is loaded that computes."""
    with contextlib.suppress(PplrError, OSError):  # `main` says it
        if settings.params().arithmetic == "portable":
            arithmetic.pin()


if __name__ == "__main__":
    pin_arithmetic()
    compiled.keep_apart()
    sys.exit(main(*sys.argv[1:]))
