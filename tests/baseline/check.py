"""Run every stage on the arrays of the baseline, and compare what it writes with them.

Usage: python -m tests.baseline.check                  compares; exit codes of `pplr compare`
       python -m tests.baseline.check seed=2           the same with other settings
       python -m tests.baseline.check --record         runs all anew, says what moved, keeps it

Each stage reads what the baseline holds, not what the stage before has just written: a change in
one stage shows there and not in all that follow. Models are too large to be kept: each epoch's
losses and the next features speak for them.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from stages import arithmetic, compiled

if __name__ == "__main__":
    arithmetic.pin()  # before a library is loaded
    compiled.keep_apart()

from pplr.runs import open_run
from pplr.runs.compare import PIECES, Comparison, beyond, compare_runs
from pplr.runs.comparison_words import format_comparison
from pplr.runs.sides import read_tolerances
from pplr.settings.reading import parse_yaml
from pplr.storage.layout import FIGURES, RunPaths
from stages import launch, order
from tests.tiny import make_workspace, tiny_schedule, working_in, write_settings

HERE = Path(__file__).parent
BASELINE = RunPaths(HERE / "run")
SETTINGS = {"demo_people": 6, "demo_images": 5, "eps": 0.55, "arithmetic": "portable"}
KEPT = [piece for piece in PIECES if piece != "model"]


def outputs(paths: RunPaths) -> list[Path]:
    """Return what a baseline holds of the stages' outputs, below the root."""
    names = ("init", *tiny_schedule().alternations)
    models = [paths.model(name) for name in names]
    figures = [paths.figure(name) for name in FIGURES]  # the arrays they draw are here
    without = {paths.checked, paths.timings, *models, *figures}
    return [path.relative_to(paths.root) for path in paths.outputs(names) if path not in without]


def run_stages(workspace: Path, *, from_baseline: bool) -> Path:
    """Run every stage in a workspace, and return a folder with what each has written."""
    fresh = workspace.parent / "fresh"
    fresh.mkdir()
    write_settings(fresh, open_run(workspace).settings, tiny_schedule())
    with working_in(workspace):
        for command in order.commands(tiny_schedule()):
            assert launch.main(command.stage, *command.arguments) == 0, command
            for path in outputs(RunPaths()):
                if path.exists() and not (fresh / path).exists():
                    copy(path, fresh / path)
                    if from_baseline and (BASELINE.root / path).exists():  # else it is new
                        copy(BASELINE.root / path, path)
    return fresh


def copy(source: Path, target: Path) -> None:
    """Copy a file or a folder over another one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


def compare(folder: Path, changes: dict[str, object]) -> Comparison:
    """Return how far the stages are from the baseline, each run on its arrays."""
    workspace = make_workspace(folder / "workspace", **{**SETTINGS, **changes})
    return compare_runs(
        open_run(BASELINE.root), open_run(run_stages(workspace, from_baseline=True)), KEPT
    )


def record(folder: Path) -> Comparison | None:
    """Run all stages, each on what the one before has written, and keep that; None at first."""
    workspace = make_workspace(folder / "workspace", **SETTINGS)
    fresh = run_stages(workspace, from_baseline=False)
    before = BASELINE.data.is_dir()
    comparison = compare_runs(open_run(BASELINE.root), open_run(fresh), KEPT) if before else None
    shutil.rmtree(BASELINE.root, ignore_errors=True)
    shutil.copytree(fresh, BASELINE.root)
    return comparison


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        if arguments == ["--record"]:
            comparison = record(Path(folder))
        else:
            changes = {
                key: parse_yaml(value) for key, _, value in (a.partition("=") for a in arguments)
            }
            comparison = compare(Path(folder), changes)
    if comparison is None:
        return 0
    too_far = beyond(comparison, read_tolerances(HERE / "tolerances.yaml", []))
    print(format_comparison(comparison, too_far))
    return 1 if too_far else 2 if comparison.not_compared else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
