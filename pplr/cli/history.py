"""`pplr history`: the table of a run, finished or in progress."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pplr.storage.layout import RunPaths


def history() -> None:
    """Print the history of the run as far as it is, and where its files lie."""
    from pplr.runs import open_run
    from pplr.runs.checks import check_root, no_history
    from pplr.runs.literature import beside_the_literature
    from pplr.runs.progress import format_history, how_far, read_history, result_words
    from pplr.settings.presets import DEMO_WEIGHTS
    from pplr.storage.layout import RunPaths

    check_root(Path())
    paths = RunPaths()
    configured = paths.params.is_file() and paths.schedule.is_file()
    run = open_run() if configured else None
    rows = run.history() if run else []
    if not rows and not paths.history.is_file():
        raise no_history(paths.history)
    # without arrays the table alone may have come from DVC's cache
    shown = rows or read_history(paths.history, _recorded(paths))
    print(format_history(shown))
    print(NOTE)
    unfinished = how_far(run.paths, run.schedule, rows) if run and rows else None
    if not rows:
        print("\nThe images are not prepared here: the table is of the run that dvc.lock records.")
    if not unfinished and (result := result_words(shown)):
        print(f"\n{result}")
        if run and rows:
            images = run.split("train").pids.shape[0]
            if printed := beside_the_literature(run.settings, shown[-1], images=images):
                print(f"\n{printed}")
    if unfinished:
        print(f"\n{unfinished}; `dvc repro` goes on.")
        if paths.history.is_file():
            print(f"{paths.history} and {paths.metrics} are of the run before.")
    else:
        print(WHERE)
    if run and run.settings.weights == DEMO_WEIGHTS:
        print(STAND_IN)


def _recorded(paths: "RunPaths") -> str:
    """Return the MD5 of the history that dvc.lock records; empty where it records none."""
    from pplr.settings.tracking import recorded_outputs

    digests = {path: digest for _, path, digest in recorded_outputs(paths.lock)}
    return digests.get(str(paths.history), "")


RAND_INDEX = (
    "ARI: adjusted Rand index of pseudo-labels and true identities, which training never sees"
)
NOTE = f"\n{RAND_INDEX}; for looking only."


WHERE = """
  data/history.csv                       this table, with losses and learning rates
  metrics.json                           mAP and ranks of the last alternation
  data/alternations/<e>/features.zarr    global and part features
  data/alternations/<e>/clusters.zarr    pseudo-labels and ranked lists
  data/alternations/<e>/agreement.zarr   cross agreement of each image and part
  data/models/<e>                        the model after alternation e
  data/figures                           pictures of queries, clusters, agreement and more
  data/timing                            seconds of each stage"""


STAND_IN = """
The start, init, is a stand-in for ImageNet weights: a small network that demo/train_backbone.py
trained to name clothes and bags. Its people are generated, as the demo's are, and others."""
