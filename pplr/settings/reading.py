"""YAML files of settings in."""

import difflib
import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent

from pplr.errors import MissingInputError, SettingError

MAX_CHARACTERS = 2**20
MAX_DEPTH = 10
MAX_VALUE = 2000  # characters; Python cannot even print the numbers that longer ones say

OPTIONS = ("epochs", "cameras", "data-dir")  # of `pplr configure`, which are no settings


def load_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML 1.2 mapping, read as DVC reads it.

    Raises
    ------
    MissingInputError
        There is no such file.
    SettingError
        The file is no YAML mapping.
    """
    if not path.is_file():
        raise MissingInputError(
            what="A settings file is missing.",
            where=str(path),
            value="no such file",
            allowed="a YAML file of settings",
            next_step="write it with `pplr configure`, and run from the repository's root",
        )
    try:
        values = parse_yaml(path.read_text(encoding="utf-8-sig"))
        problem = None if isinstance(values, dict) else type(values).__name__
    except ValueError as error:
        problem = " ".join(str(error).split())
    if problem is not None:
        raise SettingError(
            what="A settings file is no YAML mapping.",
            where=str(path),
            value=problem,
            allowed="lines of the form `key: value`",
            next_step="mend the file, or write it anew with `pplr configure`",
        )
    return dict(values)


@functools.lru_cache(maxsize=8)  # a stage asks for its settings half a dozen times
def parse_yaml(text: str) -> Any:
    """Return what a YAML 1.2 text says; the same object for the same text, not to be changed.

    Raises
    ------
    ValueError
        It is no YAML; or is longer or nested deeper than settings are, or repeats itself by
        aliases: a few bytes could say more than memory holds.
    """
    yaml = YAML(typ="safe", pure=True)
    try:
        problem = _too_much(yaml, text)
        if problem is not None:
            raise ValueError(problem)
        return yaml.load(text)
    except YAMLError as error:
        raise ValueError(error) from None
    except ValueError:
        raise
    except Exception as error:  # what a value runs into that is none of its tag, as `!!bool x`
        problem = f"{type(error).__name__}: {error}"
        raise ValueError(problem) from None


def _too_much(yaml: YAML, text: str) -> str | None:
    """Return why a text is not even read, if so."""
    if len(text) > MAX_CHARACTERS:
        return f"more than {MAX_CHARACTERS:,} characters"
    depth = 0
    for event in yaml.parse(text):
        depth += isinstance(event, CollectionStartEvent)
        depth -= isinstance(event, CollectionEndEvent)
        if depth > MAX_DEPTH:
            return f"nested more than {MAX_DEPTH} deep"
        if isinstance(event, ScalarEvent) and len(event.value) > MAX_VALUE:
            return f"a value of more than {MAX_VALUE:,} characters"
        if isinstance(event, AliasEvent):
            return f"an alias, *{event.anchor}"
    return None


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like another one, if any is."""
    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=0.5)), None)


def check_known_keys(values: Mapping[str, Any], known: tuple[str, ...], *, where: str) -> None:
    """Raise a SettingError for the first key that is not known, naming the nearest known one."""
    for key in values:
        if key not in known:
            near = nearest(str(key), (*known, *OPTIONS))
            name = f"pplr configure … --{near}" if near in OPTIONS else near
            hint = f"did you mean `{name}`?" if name else "use one of these"
            raise SettingError(
                what=f"There is no setting `{key}`.",
                where=where,
                value=f"{key}: {values[key]}",
                allowed=", ".join(known),
                next_step=hint,
            )
