"""The settings of a data set."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pplr.errors import SettingError
from pplr.settings.checks import check_places
from pplr.settings.groups import PUBLISHED_WEIGHTS
from pplr.settings.inputs import DEMO_IMAGES, as_dependency
from pplr.settings.params import Params, parse_params
from pplr.settings.presets import EPOCHS, EVALUATE_EVERY, PRESETS, WITH_CAMERAS
from pplr.settings.reading import nearest, parse_yaml
from pplr.settings.schedule import Schedule, make_schedule
from pplr.storage.layout import RunPaths

PATHS = RunPaths()  # of the current folder


# What DVC watches where there is no file to watch: a dependency can be repeated but not left out.
NAMED_WEIGHTS = dict.fromkeys((*PUBLISHED_WEIGHTS, "random"), "pplr/network/weights.py")


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
        The data set is unknown, its folder is not given or holds what the pipeline writes, or an
        override cannot be used.
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
            value=data_dir or "no folder",
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
        weights = as_dependency(Path(params.weights))
        params = params.model_copy(update={"weights": weights})
    schedule = make_schedule(
        epochs=epochs or EPOCHS[dataset],
        evaluate_every=EVALUATE_EVERY[dataset],
        images=DEMO_IMAGES if data_dir is None else as_dependency(data_dir),
        weights=NAMED_WEIGHTS.get(params.weights, params.weights),
    )
    check_places(schedule)
    return PipelineSettings(params, schedule)


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
            value = parse_yaml(text)
        except ValueError:
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
