"""A run as it lies on disk, to be looked at."""

from pplr.runs.run import Run, open_run

__all__ = ["Run", "open_run"]
