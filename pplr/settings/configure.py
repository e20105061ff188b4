"""The settings of a data set, and what replacing those of the working tree changes."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pplr.errors import PplrError, SettingError
from pplr.settings.params import Params, parse_params
from pplr.settings.presets import EPOCHS, EVALUATE_EVERY, PRESETS, WITH_CAMERAS
from pplr.settings.reading import load_yaml, nearest
from pplr.settings.schedule import INIT, Schedule, make_schedule
from pplr.settings.writing import format_params, format_schedule, merge_params
from pplr.storage.layout import RunPaths
from pplr.storage.replacing import remove

PATHS = RunPaths()  # of the current folder


# What DVC watches where there is no file to watch: a dependency can be repeated but not left out.
DEMO_IMAGES = "pplr/datasets/demo"


NAMED_WEIGHTS = {"imagenet": "pplr/network/weights.py", "random": "pplr/network/weights.py"}


@dataclass(frozen=True)
class PipelineSettings:
    """The content of params.yaml and of schedule.yaml."""

    params: Params
    schedule: Schedule


def make_settings(
    dataset: str,
    data_dir: Path | None,
    *,
    epochs: int | None,
    cameras: bool,
    overrides: list[str],
) -> PipelineSettings:
    """Return the settings of a data set: its preset, with `overrides` of the form `key=value`.

    Parameters
    ----------
    dataset
        A key of `PRESETS`.
    data_dir
        The folder of the images; None for the embedded data set, which is generated.
    epochs
        Number of alternations; None takes the preset's.
    cameras
        Whether training sees the cameras: the preset's `WITH_CAMERAS` beside it.
    overrides
        Settings that differ from the preset.

    Raises
    ------
    SettingError
        The data set is unknown, its folder is not given, or an override cannot be used.
    """
    if dataset not in PRESETS:
        near = nearest(dataset, PRESETS)
        raise SettingError(
            what="There is no such data set.",
            where="the first argument of `pplr configure`",
            value=dataset,
            allowed=" | ".join(sorted(PRESETS)),
            next_step=f"did you mean `{near}`?" if near else "name one of these",
        )
    if (data_dir is None) != (dataset == "demo"):
        raise SettingError(
            what="The folder of the images is missing, or not wanted.",
            where="--data-dir",
            value=data_dir,
            allowed="a folder of images; none for the demo, which is generated",
            next_step=f"pplr configure {dataset} --data-dir PATH, or pplr configure demo",
        )
    values = parse_overrides(overrides)
    if values.get("dataset", dataset) != dataset:
        raise SettingError(
            what="Two data sets are named.",
            where="--set dataset",
            value=values["dataset"],
            allowed=dataset,
            next_step=f"pplr configure {values['dataset']}",
        )
    preset = PRESETS[dataset] | (WITH_CAMERAS[dataset] if cameras else {})
    params = parse_params(preset | values, where="--set")
    if params.weights not in NAMED_WEIGHTS:
        weights = _as_dependency(Path(params.weights))
        params = params.model_copy(update={"weights": weights})
    schedule = make_schedule(
        epochs=epochs or EPOCHS[dataset],
        evaluate_every=EVALUATE_EVERY[dataset],
        images=DEMO_IMAGES if data_dir is None else _as_dependency(data_dir),
        weights=NAMED_WEIGHTS.get(params.weights, params.weights),
    )
    return PipelineSettings(params, schedule)


def changed_values(settings: PipelineSettings) -> list[str]:
    """Return a line for each value of params.yaml and schedule.yaml that is another now."""
    old = _load_old(PATHS.params) | _flat(_load_old(PATHS.schedule))
    dropped = sorted({path.stem for path in _leftovers(settings.schedule)})
    new = settings.params.model_dump() | _flat(dataclasses.asdict(settings.schedule))
    known = {*new, "alternations", "evaluated", "inputs"}
    return [
        *(
            f"{key}: {old[key]} -> {value}"
            for key, value in new.items()
            if key in old and old[key] != value
        ),
        *(f"{key}: {value} -> removed" for key, value in old.items() if key not in known),
        *(f"data/: results of alternation {name} -> removed" for name in dropped),
    ]


def replace_settings(settings: PipelineSettings) -> list[str]:
    """Write params.yaml and schedule.yaml; return a line for each value that was another.

    Comments in params.yaml stay. Results of alternations that the schedule no longer has are
    removed from data/; where a run was finished, DVC's cache still has them.
    """
    changes = changed_values(settings)
    if _load_old(PATHS.params):
        text = merge_params(PATHS.params.read_text(), settings.params)
    else:
        text = format_params(settings.params)
    PATHS.params.write_text(text)
    PATHS.schedule.write_text(format_schedule(settings.schedule))
    for path in _leftovers(settings.schedule):
        remove(path)
    return changes


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
    if isinstance(inputs, dict):
        flat |= {f"inputs.{key}": path for key, path in inputs.items()}
    return flat


def _leftovers(schedule: Schedule) -> list[Path]:
    """Return what alternations that are not in the schedule have left in data/."""
    known = {INIT, *schedule.alternations}
    return [path for path in PATHS.by_name() if path.stem not in known]


def parse_overrides(overrides: list[str]) -> dict[str, Any]:
    """Return settings from words of the form `key=value`, the value read as YAML.

    Raises
    ------
    SettingError
        A word has no `=`, or its value is no YAML.
    """
    values = {}
    for word in overrides:
        key, equals, text = word.partition("=")
        try:
            value = YAML(typ="safe", pure=True).load(text)
        except (YAMLError, ValueError):  # ValueError: 2001-99-99 looks like a date
            equals = ""
        if not equals:
            raise SettingError(
                what="A setting could not be read.",
                where="--set",
                value=word,
                allowed="key=value, as beta=0.3",
                next_step="write --set once for each setting",
            )
        values[key.strip()] = value
    return values


def _as_dependency(path: Path) -> str:
    """Return a path as DVC wants it: relative inside the repository, absolute outside.

    Experiments run in copies of the repository, from which a relative path outside leads nowhere.
    """
    resolved, root = path.resolve(), Path.cwd().resolve()
    return str(resolved.relative_to(root) if resolved.is_relative_to(root) else resolved)
