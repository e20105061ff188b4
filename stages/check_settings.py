"""Validate params.yaml and schedule.yaml as a whole, before any work."""

from pplr.settings.checks import check_inputs
from pplr.storage.replacing import replacing
from stages import settings


def main() -> None:
    """Write a constant file once the settings hold: what depends on it runs after this."""
    check_inputs(settings.params(), settings.schedule())
    with replacing(settings.PATHS.checked) as temporary:
        temporary.write_text("params.yaml and schedule.yaml are valid\n")
