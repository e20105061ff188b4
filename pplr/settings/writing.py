"""The texts of params.yaml and schedule.yaml."""

from io import StringIO
from itertools import pairwise

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from pplr.errors import PplrError
from pplr.settings.params import Params, allowed_values, parse_params
from pplr.settings.schedule import Schedule

# Each of these has an empty line before it.
PARAGRAPH_STARTS = (
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


def merge_params(old_text: str, params: Params) -> str | None:
    """Return the text of params.yaml with the lines and comments of an older one kept.

    None where the older one is of another shape, such as all settings on one line.

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
    return text if _reads_as(text, params) else None


def _merged_line(line: str, old: CommentedMap, key: str, params: Params, fresh: str) -> str:
    """Return the line of a setting with its new value, and the comment behind it if not ours."""
    tokens = old.ca.items.get(key)
    comment = tokens[2].value.splitlines()[0] if tokens and tokens[2] else ""
    setting, ours, allowed = fresh.rpartition(f" # {Params.model_fields[key].description} (")
    rest = comment.rstrip().removeprefix(ours[1:])
    brackets = [rest.count(one) - allowed.count(one) for one in "()"]
    if rest != comment.rstrip() and rest.endswith(")") and not any(brackets):
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


def format_params(params: Params) -> str:
    """Return the text of params.yaml: every setting with its meaning and range."""
    lines = [
        "# Written by `pplr configure`. Every setting, with what it means and what is allowed."
    ]
    for name, field in Params.model_fields.items():
        if name in PARAGRAPH_STARTS:
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


def _yaml_scalar(value: object) -> str:
    if value is None:
        return ""  # as `dvc exp run -S` writes it, so that the file stays the same
    stream = StringIO()
    yaml = YAML()
    yaml.width = 4096
    yaml.dump({"v": value}, stream)
    return stream.getvalue().removeprefix("v: ").removesuffix("\n")
