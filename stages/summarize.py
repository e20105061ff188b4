"""Gather the history of all alternations and the metrics of the last one."""

import json

from pplr.runs.history import format_csv, history_rows
from pplr.runs.progress import check_finished
from pplr.storage.json_files import read_json
from pplr.storage.layout import METRICS
from pplr.storage.replacing import replacing
from stages import settings


def main() -> None:
    """Write data/history.csv and metrics.json, reading what the schedule names."""
    schedule, paths = settings.schedule(), settings.PATHS
    check_finished(paths, schedule)
    with replacing(paths.history) as temporary:
        temporary.write_text(format_csv(history_rows(paths, schedule)))
    last = read_json(paths.evaluation(schedule.last))
    metrics = {key: last[key] for key in METRICS}
    with replacing(paths.metrics) as temporary:  # for DVC and people: metrics alone
        temporary.write_text(json.dumps(metrics, indent=2) + "\n")
