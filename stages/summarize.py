"""Gather the history of all alternations and the metrics of the last one."""

from pplr.runs.history import Row, clustering_row, write_history
from pplr.settings.schedule import INIT
from pplr.storage.arrays import read_arrays, read_digest
from pplr.storage.json_files import read_json, write_json
from pplr.storage.replacing import replacing
from stages import settings


def main() -> None:
    """Write data/history.csv and metrics.json, reading what the schedule names."""
    schedule = settings.schedule()
    evaluation = {
        name: read_json(settings.PATHS.evaluation(name)) for name in schedule.evaluated
    }
    train = settings.PATHS.split("train")
    digest = read_digest(train)
    (pids,) = read_arrays(train, "pids")
    rows: list[Row] = [{"alternation": INIT, **evaluation[INIT]}]
    for name in schedule.alternations:
        clusters = settings.PATHS.arrays(name, "clusters")
        (pseudo_labels,) = read_arrays(clusters, "pseudo_labels", digest=digest)
        agreed = settings.PATHS.arrays(name, "agreement")
        (agreement,) = read_arrays(agreed, "cross_agreement", digest=digest)
        rows.append(
            {
                "alternation": name,
                **clustering_row(pseudo_labels, agreement, pids),
                **read_json(settings.PATHS.training(name)),
                **evaluation.get(name, {}),
            }
        )
    with replacing(settings.PATHS.history) as temporary:
        write_history(temporary, rows)
    last = evaluation[schedule.last]
    write_json(settings.PATHS.metrics, {key: last[key] for key in ("mAP", "rank1", "rank5", "rank10")})
