"""Draw queries, clusters, cross agreement and outliers of the last alternation."""

from pplr.figures.sheets import SHEETS, draw_sheet
from pplr.runs import open_run
from pplr.storage.replacing import replacing
from stages import settings


def main() -> None:
    """Write a PNG for each sheet, under names that are the same in every run."""
    run = open_run()
    for name in SHEETS:
        with replacing(settings.PATHS.figure(name)) as temporary:
            draw_sheet(run, name).save(temporary, format="PNG")
