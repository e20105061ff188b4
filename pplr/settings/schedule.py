"""The schedule: which alternations run, which models are evaluated, where the inputs lie."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pplr.errors import SettingError
from pplr.settings.reading import check_known_keys, load_yaml

INIT = "init"

_PATH = re.compile(r"[^\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class Schedule:
    """The content of schedule.yaml.

    Parameters
    ----------
    alternations
        Name of each alternation → name of the model it starts from.
    evaluated
        Names of the models that are evaluated; `init` and the last one are among them.
    inputs
        `images` and `weights`: the files or folders that prepare-data and init-model read.
    """

    alternations: dict[str, str]
    evaluated: tuple[str, ...]
    inputs: dict[str, str]

    @property
    def last(self) -> str:
        """The name of the last alternation, whose model is reported."""
        return list(self.alternations)[-1]


def make_schedule(*, epochs: int, evaluate_every: int, images: str, weights: str) -> Schedule:
    """Return a schedule of `epochs` alternations, every n-th and the last of them evaluated."""
    _check_paths({"images": images, "weights": weights}, where="--data-dir, --set weights")
    names = [f"{epoch:02d}" for epoch in range(epochs)]
    evaluated = {INIT, *names[evaluate_every - 1 :: evaluate_every], names[-1]}
    return Schedule(
        alternations=dict(zip(names, [INIT, *names[:-1]], strict=True)),
        evaluated=tuple(name for name in (INIT, *names) if name in evaluated),
        inputs={"images": images, "weights": weights},
    )


def load_schedule(path: Path) -> Schedule:
    """Return the validated schedule of a YAML file.

    Raises
    ------
    MissingInputError
        There is no such file.
    SettingError
        A key is unknown or missing, the alternations are no chain from `init`, or a model is
        evaluated that no alternation makes.
    """
    values = load_yaml(path)
    where = str(path)
    check_known_keys(values, ("alternations", "evaluated", "inputs"), where=where)
    for key, kind in (("alternations", dict), ("evaluated", list), ("inputs", dict)):
        if not isinstance(values.get(key), kind) or not values[key]:
            allowed = f"a YAML {kind.__name__}, not empty"
            raise _schedule_error(allowed, key=key, value=values.get(key), where=where)
    names = list(values["alternations"])
    chain = dict(zip(names, [INIT, *names[:-1]], strict=True))
    if names != [f"{epoch:02d}" for epoch in range(len(names))] or values["alternations"] != chain:
        allowed = 'a chain of quoted two-digit names: {"00": init, "01": "00", …}'
        raise _schedule_error(
            allowed, key="alternations", value=values["alternations"], where=where
        )
    evaluated = [str(name) for name in values["evaluated"]]
    valid = {INIT, names[-1]} <= set(evaluated) <= {INIT, *names}
    if not valid or len(set(evaluated)) < len(evaluated):
        allowed = f"names of alternations, each once, with init and the last one, {names[-1]}"
        raise _schedule_error(allowed, key="evaluated", value=evaluated, where=where)
    _check_paths(values["inputs"], where=where)
    return Schedule(chain, tuple(evaluated), dict(values["inputs"]))


def _check_paths(inputs: dict[str, Any], *, where: str) -> None:
    """Raise a SettingError unless the inputs are two paths, which are text of one line."""
    paths = [path for path in inputs.values() if isinstance(path, str) and _PATH.fullmatch(path)]
    if set(inputs) != {"images", "weights"} or len(paths) < 2:
        allowed = "the two paths images and weights, without line breaks"
        raise _schedule_error(allowed, key="inputs", value=inputs, where=where)


def _schedule_error(allowed: str, *, key: str, value: object, where: str) -> SettingError:
    return SettingError(
        what=f"`{key}` in the schedule cannot be used.",
        where=where,
        value=value,
        allowed=allowed,
        next_step="write the schedule anew with `pplr configure … --epochs N`",
    )
