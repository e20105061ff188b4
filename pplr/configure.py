"""Writing params.yaml and schedule.yaml for a data set."""

import dataclasses
from dataclasses import dataclass
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from pplr.errors import PplrError, SettingError
from pplr.params import Params, allowed_values, load_yaml, nearest, parse_params
from pplr.presets import EPOCHS, EVALUATE_EVERY, PRESETS, WITH_CAMERAS
from pplr.schedule import INIT, Schedule, make_schedule
from pplr.store import remove

# The first setting of each group has an empty line before it.
GROUP_STARTS = (
    "backbone",
    "k1",
    "k",
    "beta",
    "camera_aware",
    "iterations",
    "seed",
    "device",
    "demo_seed",
)
COMMENT_COLUMN = 40

PARAMS = Path("params.yaml")
SCHEDULE = Path("schedule.yaml")

# What DVC watches where there is no file to watch: a dependency can be repeated but not left out.
DEMO_IMAGES = "pplr/datasets/demo.py"
NAMED_WEIGHTS = {"imagenet": "pplr/weights.py", "random": "pplr/weights.py"}


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
    old = _load_old(PARAMS) | _flat(_load_old(SCHEDULE))
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
    if _load_old(PARAMS):
        text = merge_params(PARAMS.read_text(), settings.params)
    else:
        text = format_params(settings.params)
    PARAMS.write_text(text)
    SCHEDULE.write_text(format_schedule(settings.schedule))
    for path in _leftovers(settings.schedule):
        remove(path)
    return changes


def merge_params(old_text: str, params: Params) -> str:
    """Return the text of params.yaml with the lines and comments of an older one kept.

    Parameters
    ----------
    old_text
        A YAML mapping.
    params
        The new values; a line whose value is the same stays as it is.
    """
    fresh = {line.partition(":")[0]: line for line in format_params(params).splitlines()}
    old = YAML().load(old_text)
    lines: list[tuple[str, str]] = []  # (key, line); the key of other lines is empty
    for line in old_text.splitlines():
        key = line.partition(":")[0]
        if key not in old:  # a comment or an empty line
            lines.append(("", line))
        elif key in fresh:
            lines.append((key, _merged_line(line, old, key, params, fresh[key])))
    for before, key in pairwise(("", *Params.model_fields)):
        keys = [known for known, _ in lines]
        if key not in keys:
            place = keys.index(before) + 1 if before and before in keys else len(lines)
            lines.insert(place, (key, fresh[key]))
    text = "\n".join(line for _, line in lines) + "\n"
    return text if _reads_as(text, params) else format_params(params)


def _merged_line(line: str, old: CommentedMap, key: str, params: Params, fresh: str) -> str:
    """Return the line of a setting with its new value, and the comment behind it if not ours."""
    tokens = old.ca.items.get(key)
    comment = tokens[2].value.splitlines()[0] if tokens and tokens[2] else ""
    setting, ours, allowed = fresh.rpartition(f" # {Params.model_fields[key].description} (")
    if comment.startswith(ours[1:]) and comment.count("(") == allowed.count("(") + 1:
        return fresh  # what is allowed may have changed
    if old[key] == getattr(params, key):
        return line
    return f"{setting} {comment}".rstrip()


def _reads_as(text: str, params: Params) -> bool:
    """Return whether a text holds these settings: what was kept may be of any shape."""
    try:
        return parse_params(YAML(typ="safe", pure=True).load(text), where="") == params
    except (PplrError, YAMLError, ValueError, AttributeError):
        return False


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
    folders = ("alternations", "models", "results/training", "results/evaluation")
    paths = (path for folder in folders for path in (Path("data") / folder).glob("*"))
    return [path for path in paths if path.stem not in known]


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


def format_params(params: Params) -> str:
    """Return the text of params.yaml: every setting with its meaning and range."""
    lines = [
        "# Written by `pplr configure`. Every setting, with what it means and what is allowed."
    ]
    for name, field in Params.model_fields.items():
        if name in GROUP_STARTS:
            lines.append("")
        setting = f"{name}: {_yaml_scalar(getattr(params, name))}"
        # a space before the # even where the value is long: else the comment is part of the value
        lines.append(
            f"{setting:<{COMMENT_COLUMN - 1}} # {field.description} ({allowed_values(name)})"
        )
    return "\n".join(lines) + "\n"


def format_schedule(schedule: Schedule) -> str:
    """Return the text of schedule.yaml; names are quoted, so that 08 is no number."""
    quoted = DoubleQuotedScalarString
    alternations = CommentedMap(
        {quoted(name): quoted(previous) for name, previous in schedule.alternations.items()}
    )
    content = CommentedMap(
        alternations=alternations,
        evaluated=[quoted(name) for name in schedule.evaluated],
        inputs=dict(schedule.inputs),
    )
    content.yaml_set_start_comment("Written by `pplr configure`.")
    for key, comment in (
        ("alternations", "each alternation and the model it starts from"),
        ("evaluated", "the models that are evaluated; the last one is reported"),
        ("inputs", "what prepare-data and init-model read"),
    ):
        content.yaml_set_comment_before_after_key(key, before=comment)
    stream = StringIO()
    YAML().dump(content, stream)
    return stream.getvalue()


def _as_dependency(path: Path) -> str:
    """Return a path as DVC wants it: relative inside the repository, absolute outside.

    Experiments run in copies of the repository, from which a relative path outside leads nowhere.
    """
    resolved, root = path.resolve(), Path.cwd().resolve()
    return str(resolved.relative_to(root) if resolved.is_relative_to(root) else resolved)


def _yaml_scalar(value: object) -> str:
    if value is None:
        return ""  # as `dvc exp run -S` writes it, so that the file stays the same
    stream = StringIO()
    yaml = YAML()
    yaml.width = 4096
    yaml.dump({"v": value}, stream)
    return stream.getvalue().removeprefix("v: ").removesuffix("\n")
