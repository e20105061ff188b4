"""What replacing the settings of the working tree changes, and doing it."""

import contextlib
import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pplr.errors import PplrError
from pplr.settings.checks import check_replaceable
from pplr.settings.configure import PATHS, PipelineSettings
from pplr.settings.leftovers import leftovers
from pplr.settings.reading import load_yaml
from pplr.settings.schedule import INIT
from pplr.settings.tracking import no_other_dvc
from pplr.settings.writing import format_params, format_schedule, merge_params
from pplr.storage.replacing import remove, replacing


@dataclass(frozen=True)
class Changes:
    """What other settings mean for what is there.

    Parameters
    ----------
    texts
        The files to write, with their content.
    aside
        Where the older content of a file is kept that cannot be read or merged.
    leftovers
        Outputs of alternations that are in the schedule no more, and that DVC's cache holds.
    lines
        All of it to read: a line for each value that is another, and each file that goes.
    """

    texts: dict[Path, str]
    aside: dict[Path, Path]
    leftovers: list[Path]
    lines: list[str]


def find_changes(settings: PipelineSettings) -> Changes:
    """Return what these settings change in the working tree; nothing is written.

    Raises
    ------
    OSError
        The system refuses params.yaml or schedule.yaml, or one is a folder.
    SettingError
        One is a device or a pipe, or a link to such.
    """
    for file in (PATHS.params, PATHS.schedule):
        if file.exists():
            check_replaceable(file)
            file.open("r+").close()
    merged = _merged(PATHS.params, settings)
    texts = {
        PATHS.params: merged or format_params(settings.params),
        PATHS.schedule: format_schedule(settings.schedule),
    }
    aside = {}
    if PATHS.params.is_file() and not merged:
        aside[PATHS.params] = _free_name(PATHS.params)
    if PATHS.schedule.is_file() and not _is_ours(PATHS.schedule, texts[PATHS.schedule]):
        aside[PATHS.schedule] = _free_name(PATHS.schedule)
    going, staying = leftovers(PATHS, {INIT, *settings.schedule.alternations})
    inputs = [Path(path).resolve() for path in settings.schedule.inputs.values()]
    going = [
        path for path in going if not any(one.is_relative_to(path.resolve()) for one in inputs)
    ]
    lines = [
        *_changed_values(settings),
        *(f"{file}: the older one is kept as {kept}" for file, kept in aside.items()),
        *(f"{path} -> removed; it is in DVC's cache" for path in going),
        *(f"{path}: not in the schedule, and stays: DVC's cache has no such" for path in staying),
    ]
    return Changes(texts, aside, going, lines)


def apply_changes(changes: Changes) -> None:
    """Write params.yaml and schedule.yaml, and remove the outputs that are named.

    Raises
    ------
    SettingError
        There are outputs to remove while a DVC runs, which may read them; nothing is written.
    """
    with no_other_dvc(Path.cwd()) if changes.leftovers else contextlib.nullcontext():
        for file, kept in changes.aside.items():
            shutil.copy2(file, kept)
        with contextlib.ExitStack() as stack:  # all are written before the first takes its place
            for file, text in changes.texts.items():
                stack.enter_context(replacing(file.resolve())).write_text(text, encoding="utf-8")
        for path in changes.leftovers:
            remove(path)


def _merged(file: Path, settings: PipelineSettings) -> str | None:
    """Return the text of params.yaml with the lines and comments that it has; None if it cannot."""
    return merge_params(file.read_text(), settings.params) if _load_old(file) else None


def _is_ours(file: Path, new: str) -> bool:
    """Return whether a schedule can be read and has no comments but those of the new one."""
    comments = {line for line in file.read_text().splitlines() if line.lstrip().startswith("#")}
    return bool(_load_old(file)) and comments <= {*new.splitlines()}


def _free_name(file: Path) -> Path:
    """Return the name beside a file under which its content can be kept."""
    number = 1
    while (kept := file.with_name(f"{file.name}.old{number}")).exists():
        number += 1
    return kept


def _changed_values(settings: PipelineSettings) -> list[str]:
    old = _load_old(PATHS.params) | _flat(_load_old(PATHS.schedule))
    new = settings.params.model_dump() | _flat(dataclasses.asdict(settings.schedule))
    known = {*new, "inputs"}
    return [
        *(
            f"{key}: {old[key]} -> {value}"
            for key, value in new.items()
            if key in old and old[key] != value
        ),
        *(f"{key}: {value} -> removed" for key, value in old.items() if key not in known),
    ]


def _load_old(path: Path) -> dict[str, Any]:
    try:
        return load_yaml(path)
    except PplrError:  # missing, or broken, which is what the new one mends
        return {}


def _flat(schedule: dict[str, Any]) -> dict[str, Any]:
    """Return what is worth telling of a schedule: its length and its inputs."""
    alternations, inputs = schedule.get("alternations"), schedule.get("inputs")
    flat: dict[str, Any] = {}
    if isinstance(alternations, dict):
        flat["alternations"] = len(alternations)
    if isinstance(evaluated := schedule.get("evaluated"), list | tuple):
        flat["evaluated"] = ", ".join(map(str, evaluated))
    if isinstance(inputs, dict):
        flat |= {f"inputs.{key}": path for key, path in inputs.items()}
    return flat
