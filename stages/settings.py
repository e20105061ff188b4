"""Where the pipeline's files lie, and the settings of this working tree."""

from pathlib import Path

from pplr.settings.params import Params, load_params
from pplr.settings.schedule import Schedule, load_schedule

PARAMS = Path("params.yaml")
SCHEDULE = Path("schedule.yaml")
METRICS = Path("metrics.json")
DATA = Path("data")
DATASET = DATA / "dataset.zarr"
HISTORY = DATA / "history.csv"
CHECKED = DATA / "settings-checked.txt"


def params() -> Params:
    """Return the settings of params.yaml."""
    return load_params(PARAMS)


def schedule() -> Schedule:
    """Return the schedule of schedule.yaml."""
    return load_schedule(SCHEDULE)


def model_path(name: str) -> Path:
    """Return the folder of the model `init` or of an alternation's model."""
    return DATA / "models" / name


def arrays_path(name: str, group: str) -> Path:
    """Return the folder of an alternation's `features`, `clusters` or `agreement`."""
    return DATA / "alternations" / name / f"{group}.zarr"


def results_path(kind: str, name: str) -> Path:
    """Return the file of `training` or `evaluation` results."""
    return DATA / "results" / kind / f"{name}.json"
