"""The settings and the paths of this working tree."""

from pplr.settings.params import Params, load_params
from pplr.settings.schedule import Schedule, load_schedule
from pplr.storage.layout import RunPaths

PATHS = RunPaths()


def params() -> Params:
    """Return the settings of params.yaml."""
    return load_params(PATHS.params)


def schedule() -> Schedule:
    """Return the schedule of schedule.yaml."""
    return load_schedule(PATHS.schedule)
