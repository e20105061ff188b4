"""What must hold while a stage runs: that DVC lives, and that its settings stay as they were.

DVC notes what a stage has read when the stage is over. Settings that were changed meanwhile would
be recorded with results of the older ones, and be served from the cache from then on.
"""

import os
import sys
import threading
import time
from typing import Any

from pplr.settings.checks import settings_changed
from pplr.settings.reading import load_yaml
from stages import settings

SECONDS_BETWEEN_LOOKS = 0.5


def end_with_dvc() -> None:
    """End this process once DVC has ended, if DVC has started it: the next run shall be alone."""
    if "DVC_STAGE" not in os.environ:  # set by DVC for every stage
        return
    import psutil

    above = []
    for process in psutil.Process().parents():
        above.append(process)
        if "stages.launch" not in " ".join(process.cmdline()):  # neither a shell's nor torchrun's
            break

    def watch() -> None:
        while all(is_alive(process) for process in above):
            time.sleep(SECONDS_BETWEEN_LOOKS)
        print(f"{os.environ['DVC_STAGE']}: DVC has ended, and this with it", file=sys.stderr)
        os._exit(1)

    def is_alive(process: psutil.Process) -> bool:
        try:
            return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    threading.Thread(target=watch, daemon=True).start()


def read_settings() -> dict[str, Any]:
    """Return what both settings files say, by file."""
    return {path.name: load_yaml(path) for path in (settings.PATHS.params, settings.PATHS.schedule)}


def check_unchanged(stage: str, before: dict[str, Any]) -> None:
    """Raise a SettingError if a setting that a stage lists in dvc.yaml is another than before."""
    after = read_settings()
    if after == before:
        return
    entry = load_yaml(settings.PATHS.pipeline)["stages"][stage]
    changed = [
        f"{file}: {key}"
        for file, keys in listed_settings(entry.get("do", entry)).items()
        for key in sorted(before[file].keys() | after[file].keys())
        if (keys is None or key in keys) and before[file].get(key) != after[file].get(key)
    ]
    if changed:
        raise settings_changed(stage, changed)


def listed_settings(entry: dict[str, Any]) -> dict[str, set[str] | None]:
    """Return the top-level keys that a stage of dvc.yaml reads, by file; None is all of them."""
    listed: dict[str, set[str] | None] = {settings.PATHS.params.name: set(entry.get("params", ()))}
    if any("${inputs." in dep for dep in entry["deps"]):
        listed[settings.PATHS.schedule.name] = {"inputs"}
    return listed | dict.fromkeys(set(entry["deps"]) & set(read_settings()))
