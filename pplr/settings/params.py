"""Settings: params.yaml as one frozen, validated object."""

import functools
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import TypeAdapter, ValidationError, model_validator
from pydantic_core import ErrorDetails

from pplr.errors import SettingError
from pplr.settings.groups import (
    STRIDE,
    TIMM,
    AgreementSettings,
    ArithmeticSettings,
    ClusteringSettings,
    DemoSettings,
    EvaluationSettings,
    ExtractionSettings,
    Group,
    ImageSettings,
    MachineSettings,
    NetworkSettings,
    ObjectiveSettings,
    PrecisionSettings,
    SeedSettings,
    StepSettings,
    TrainingSettings,
    check_together,
)
from pplr.settings.reading import check_known_keys, load_yaml

Kind = TypeVar("Kind", bound=Group)


# The last group of params.yaml stands first here, as pydantic takes the fields of the last class
# first. So `seed` and `precision` can stand behind `rerank`, though training reads them.
class Params(
    DemoSettings,
    MachineSettings,
    ArithmeticSettings,
    ExtractionSettings,
    TrainingSettings,
    PrecisionSettings,
    SeedSettings,
    EvaluationSettings,
    StepSettings,
    ObjectiveSettings,
    AgreementSettings,
    ClusteringSettings,
    NetworkSettings,
    ImageSettings,
):
    """Every setting of the pipeline, by the name it has in params.yaml: the union of the groups."""

    @model_validator(mode="after")
    def _check_across_groups(self) -> Self:
        rows = self.height // STRIDE  # of the feature map
        # a network of timm is asked for its rows when it is made
        stride_is_known = not self.backbone.startswith(TIMM)
        check_together(
            (
                "num_parts",
                stride_is_known and self.num_parts > rows,
                f"at most height / {STRIDE}, {rows}",
            ),
            (
                "part_refinement",
                self.part_refinement == "parts" and self.num_parts < 2,
                "another one where num_parts is 1: there are no other parts",
            ),
        )
        return self

    def select(self, kind: type[Kind]) -> Kind:
        """Return the settings of one group."""
        return kind(**{name: getattr(self, name) for name in kind.model_fields})


def load_params(path: Path) -> Params:
    """Return the validated settings of a YAML file.

    Raises
    ------
    MissingInputError
        There is no such file.
    SettingError
        The file is no YAML mapping, or a setting is unknown, missing or not allowed.
    """
    return parse_params(load_yaml(path), where=str(path))


def parse_params(values: Mapping[str, Any], *, where: str) -> Params:
    """Return validated settings; `where` names their origin in errors.

    Raises
    ------
    SettingError
        A setting is unknown, missing, of the wrong type or out of range.
    """
    check_known_keys(values, tuple(Params.model_fields), where=where)
    try:
        return Params.model_validate(dict(values))
    except ValidationError as error:
        raise _setting_error(error.errors()[0], where=where) from None


def is_allowed(key: str, value: object) -> bool:
    """Return whether a setting may have a value, whatever the others are."""
    field = Params.model_fields[key]
    try:
        kind: Any = Annotated[field.annotation, field]
        TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def _setting_error(error: ErrorDetails, *, where: str) -> SettingError:
    """Return pydantic's finding in the words of this project."""
    if not error["loc"]:  # from the check across settings
        key, allowed = error["ctx"]["key"], error["ctx"]["allowed"]
        value = repr(error["input"][key])
    else:
        key = str(error["loc"][0])
        value = "nothing" if error["type"] == "missing" else reprlib.repr(error["input"])
        allowed = allowed_values(key)
    return SettingError(
        what=f"The setting `{key}` cannot be used.",
        where=where,
        value=value,
        allowed=allowed,
        next_step=f"give `{key}` another value",
    )


@functools.cache
def allowed_values(key: str) -> str:
    """Return the type and range of a setting in words, as `number, > 0, < 1`."""
    schema = Params.model_json_schema()["properties"][key]
    if "anyOf" in schema:  # a number or null
        number, null = schema["anyOf"]
        assert null == {"type": "null"}
        return f"{_range(number)}, or null"
    choices = schema.get("enum") or schema.get("examples")
    if choices:
        return " | ".join(choices)
    return _range(schema)


def _range(schema: Mapping[str, Any]) -> str:
    words = {"integer": "whole number", "number": "number", "boolean": "true or false"}
    bounds = (
        ("exclusiveMinimum", ">"),
        ("minimum", ">="),
        ("exclusiveMaximum", "<"),
        ("maximum", "<="),
    )
    parts = [words[schema["type"]]]
    parts += [f"{sign} {schema[name]}" for name, sign in bounds if name in schema]
    return ", ".join(parts)
