"""YAML files of settings in."""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pplr.errors import MissingInputError, SettingError

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
        values = YAML(typ="safe", pure=True).load(path)
        problem = None if isinstance(values, dict) else type(values).__name__
    except (YAMLError, ValueError) as error:  # ValueError: 2001-99-99 looks like a date
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
