"""Validate params.yaml and schedule.yaml as a whole, before any work."""

from pplr.settings.checks import check_inputs
from stages import settings


def main() -> None:
    """Write a constant file once the settings hold: what depends on it runs after this."""
    check_inputs(settings.params(), settings.schedule())
    settings.PATHS.checked.parent.mkdir(exist_ok=True)
    settings.PATHS.checked.write_text("params.yaml and schedule.yaml are valid\n")
