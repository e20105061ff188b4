"""The settings and the paths of this working tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pplr.settings.params import Params, load_params
from pplr.settings.schedule import Schedule, load_schedule
from pplr.storage.layout import RunPaths

if TYPE_CHECKING:
    from pplr.settings.disk import DiskEstimate

PATHS = RunPaths()


def params() -> Params:
    """Return the settings of params.yaml."""
    return load_params(PATHS.params)


def schedule() -> Schedule:
    """Return the schedule of schedule.yaml."""
    return load_schedule(PATHS.schedule)


def disk(counts: Mapping[str, int]) -> DiskEstimate:
    """Return what the run will need on the disk for so many images of each split."""
    from pplr.settings.disk import estimate_disk  # and with it Zarr, which others need not wait for

    # not `params()`: what a stage asks of it stands in its list, and no number depends on this
    return estimate_disk(load_params(PATHS.params), schedule(), counts)
