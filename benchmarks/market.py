"""The paper's experiment on Market-1501, at the size that two cores afford.

Usage: python -m benchmarks.market [run --data-dir PATH --weights FILE [--results FOLDER]
                                    [--rows ROW …] [--seeds N …] [--device cuda] [--without-dvc]]

`run` makes the runs that market.csv lacks, one after another, by `dvc repro` in this clone, whose
params.yaml and schedule.yaml it writes: so run it in a clone of its own. Stopped at any time, it
goes on from DVC's cache; a second clone can take another seed. Each finished run is added to
market.csv and market_labels.csv in `--results` at once. Without `run`, the tables are printed in
Markdown and the curves are drawn.

`--without-dvc` is for a machine that is lent for minutes: the stages run in this process, in the
current folder, and a run that is stopped starts anew.
"""

import argparse
import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from sklearn.metrics import adjusted_rand_score

from benchmarks.ablation import ROWS
from benchmarks.label_quality import label_rows
from benchmarks.market_curves import draw
from benchmarks.market_tables import (
    COLUMNS,
    LABEL_COLUMNS,
    RUNS,
    Run,
    finished,
    gather,
    print_tables,
    read,
)
from benchmarks.running import run_stages
from pplr.errors import PplrError, worded
from pplr.inference.models import git_revision
from pplr.settings.configure import make_settings
from pplr.settings.device_checks import check_device
from pplr.settings.schedule import load_schedule, make_schedule
from pplr.settings.writing import format_params, format_schedule
from pplr.storage.arrays import read_arrays
from pplr.storage.layout import RunPaths

HERE = Path(__file__).parent
PATHS = RunPaths()  # of this clone, in which it runs
EPOCHS, EVALUATE_EVERY = 20, 4
# The paper's settings but for the backbone, the size, and a schedule at a fifth of its length.
SCALED: dict[str, Any] = {
    "backbone": "mobilenet_v2",
    "height": 128,
    "width": 64,
    "iterations": 200,
    "aals_epoch": 2,
    "lr_step": 8,
}


def overrides(run: Run, weights: Path) -> dict[str, Any]:
    """Return what a run's settings are beside the preset of Market-1501."""
    return {**SCALED, **ROWS[run.row], "seed": run.seed, "weights": weights}


def write_settings(run: Run, data_dir: Path, weights: Path, *, device: str = "cpu") -> None:
    """Write params.yaml and schedule.yaml of a run into the current folder."""
    changed = {**overrides(run, weights), "device": device}
    words = [f"{key}={value}" for key, value in changed.items()]
    cameras = bool(ROWS[run.row]["camera_aware"])
    made = make_settings("market1501", data_dir, epochs=EPOCHS, cameras=cameras, overrides=words)
    schedule = make_schedule(epochs=EPOCHS, evaluate_every=EVALUATE_EVERY, **made.schedule.inputs)
    PATHS.params.write_text(format_params(made.params))
    PATHS.schedule.write_text(format_schedule(schedule))


def repro() -> None:
    """Run `dvc repro` with this environment's python; end where it fails."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    code = subprocess.run(["dvc", "repro"], env={**os.environ, "PATH": path}, check=False)
    if code.returncode:
        sys.exit("`dvc repro` ended with an error; mend it and call this again")


def history_rows() -> list[dict[str, str]]:
    """Return the history, each row with its `stability`.

    That is the adjusted Rand index of the labels and those of the alternation before, of images
    that are in a cluster both times: it needs no identities.
    """
    with PATHS.history.open(newline="") as file:
        rows = list(csv.DictReader(file))
    before = None
    for row in rows:
        row["stability"] = ""
        if row["clusters"]:
            path = PATHS.arrays(row["alternation"], "clusters")
            (labels,) = read_arrays(path, "pseudo_labels")
            if before is not None:
                both = (before >= 0) & (labels >= 0)
                row["stability"] = f"{adjusted_rand_score(before[both], labels[both]):.4f}"
            before = labels
    return rows


def append(file: Path, columns: tuple[str, ...], run: Run, rows: list[dict[str, Any]]) -> None:
    """Add rows to a CSV in one write, each with the run it is of; what a row lacks stays empty."""
    new = not file.exists()
    with file.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows({**run._asdict(), **row} for row in rows)


def make_missing(
    runs: list[Run],
    data_dir: Path,
    weights: Path,
    results: Path,
    *,
    device: str = "cpu",
    without_dvc: bool = False,
) -> None:
    """Make those of some runs that the results lack."""
    for run in runs:
        if run in finished(results):
            continue
        write_settings(run, data_dir.resolve(), weights.resolve(), device=device)
        schedule = load_schedule(PATHS.schedule)
        commit = git_revision(Path()) or ""  # `-dirty`, for the settings are written above
        if without_dvc:
            run_stages(schedule)
        else:
            repro()
        chosen = overrides(run, Path(weights.name))
        where = {
            "commit": commit[:7],
            "settings": " ".join(f"{key}={value}" for key, value in chosen.items()),
            "processor": torch.backends.cpu.get_cpu_capability()
            if device == "cpu"
            else torch.cuda.get_device_name(device),
        }
        rows = history_rows()
        labels = label_rows(PATHS, schedule.alternations, schedule.evaluated, device=device)
        append(results / "market_labels.csv", LABEL_COLUMNS, run, labels)
        append(results / "market.csv", COLUMNS, run, [{**row, **where} for row in rows])
        print(*run, rows[-1]["mAP"], file=sys.stderr, flush=True)


def main() -> None:
    """Make missing runs if asked to, and print the tables and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", nargs="?", choices=("run", "print"), default="print")
    parser.add_argument("--data-dir", type=Path, help="Market-1501's folder")
    parser.add_argument("--weights", type=Path, help="torchvision's mobilenet_v2, a state dict")
    parser.add_argument("--results", type=Path, default=HERE, help="folder of the CSV files")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], help="which seeds")
    names = list(dict.fromkeys(run.row for run in RUNS))
    parser.add_argument("--rows", nargs="+", choices=names, default=names, help="which rows")
    parser.add_argument("--device", default="cpu", help="where networks run")
    parser.add_argument("--without-dvc", action="store_true", help="run stages in this process")
    arguments = parser.parse_args()
    results = arguments.results.resolve()
    if arguments.action == "run":
        if arguments.data_dir is None or arguments.weights is None:
            parser.error("run needs --data-dir and --weights")
        for path in (arguments.data_dir, arguments.weights):  # before settings are written
            if not path.exists():
                parser.error(f"there is no {path}")
        try:
            check_device(arguments.device, where="--device")
            make_missing(
                [run for run in RUNS if run.row in arguments.rows and run.seed in arguments.seeds],
                arguments.data_dir,
                arguments.weights,
                results,
                device=arguments.device,
                without_dvc=arguments.without_dvc,
            )
        except (PplrError, OSError) as error:
            sys.exit(str(worded(error)))
    found = gather(read(results / "market.csv"), read(results / "market_labels.csv"))
    if not found.processors:
        sys.exit("no run is finished yet")
    print_tables(found, gather(read(results / "market_h200.csv"), []))
    lr_step = SCALED["lr_step"]
    changes = (SCALED["aals_epoch"], *range(lr_step, EPOCHS, lr_step))
    draw(found, changes, results / "market.png")


if __name__ == "__main__":
    main()
