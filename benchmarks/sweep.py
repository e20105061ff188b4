"""A setting swept over several values, as experiments in DVC's queue; the paper's Fig. 3.

Usage: python -m benchmarks.sweep SETTING VALUE … [--seeds N] [--jobs N] [--print] [--folder PATH]

Queues the experiments that are not there yet, starts the queue, waits for it, prints the table in
Markdown, and writes SETTING.csv and SETTING.png. The run is the one that params.yaml and
schedule.yaml describe; what a setting does not change, DVC runs once for all its values. Stopped
with Ctrl-C, it ends the running experiment; the next call goes on with what is missing.
"""

import argparse
import contextlib
import csv
import sys
from pathlib import Path

from benchmarks.experiments import (
    REPORTED,
    ROOT,
    Changes,
    draw_curves,
    figures,
    finished,
    known_of,
    run_queue,
)
from pplr.errors import PplrError, SettingError
from pplr.settings.params import load_params, parse_params
from pplr.storage.layout import RunPaths

DECIMALS = {"clusters": 0, "outliers": 0}  # in the table; 3 of the others


def experiment(setting: str, value: float, seed: int) -> str:
    """Return the name of an experiment."""
    return f"sweep-{setting}-{value:g}-{seed}".replace("_", "-").replace(".", "p")


def experiments(setting: str, values: list[float], seeds: int) -> dict[str, Changes]:
    """Return the settings of each experiment, seed by seed."""
    return {
        experiment(setting, value, seed): {setting: value, "seed": seed}
        for seed in range(1, seeds + 1)
        for value in values
    }


def read_values(setting: str, words: list[str]) -> list[float]:
    """Return the values in ascending order; a typo in one ends here, not in an experiment."""
    if setting == "seed":
        raise SettingError(
            what="Seeds are no values of a sweep.",
            where="SETTING",
            value=setting,
            allowed="another setting of params.yaml with a number",
            next_step="`--seeds N` runs each value of a setting with the seeds 1 … N",
        )
    settings = load_params(RunPaths(ROOT).params).model_dump()
    values = sorted({_number(setting, word) for word in words})
    for value in values:
        parse_params({**settings, setting: value}, where="the values of the sweep")
    return values


def _number(setting: str, word: str) -> float:
    """Return a value of the sweep, an int where it is written as one."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(word)
    raise SettingError(
        what="A sweep is over numbers.",
        where=f"the values of {setting}",
        value=word,
        allowed="numbers, as 0.1 or 3e-4",
        next_step="for other settings: `dvc exp run --queue -S SETTING=VALUE`, once for each",
    )


def write_table(
    folder: Path, setting: str, values: list[float], found: list[list[dict[str, float]]]
) -> None:
    """Print the table of means, of what every run has, and write every experiment's figures."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{setting}.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([setting, "seed", *REPORTED])
        for value, seeds in zip(values, found, strict=True):
            for seed, one in enumerate(seeds, start=1):
                writer.writerow([value, seed, *(one.get(key, "") for key in REPORTED)])
    known = known_of(found)
    print(f"| {' | '.join([setting, 'seeds', *(REPORTED[key] for key in known)])} |")
    print("|---" * (2 + len(known)) + "|")
    for value, seeds in zip(values, found, strict=True):
        means = {key: sum(one[key] for one in seeds) / len(seeds) for key in known}
        cells = [f"{mean:.{DECIMALS.get(key, 3)}f}" for key, mean in means.items()]
        print(f"| {' | '.join([f'{value:g}', str(len(seeds)), *cells])} |")


def main() -> None:
    """Queue, wait, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("setting", help="a setting of params.yaml with a number")
    parser.add_argument("values", nargs="+", help="its values")
    parser.add_argument("--seeds", type=int, default=1, help="seeds 1 … N for each value")
    parser.add_argument("--jobs", type=int, default=1, help="experiments at a time")
    parser.add_argument("--print", action="store_true", help="print what is done, and run nothing")
    parser.add_argument("--folder", type=Path, default=RunPaths(ROOT).data / "sweeps")
    arguments = parser.parse_args()
    setting = arguments.setting
    try:
        values = read_values(setting, arguments.values)
    except PplrError as error:
        sys.exit(str(error))
    if not arguments.print:
        again = " ".join(["python -m benchmarks.sweep", *sys.argv[1:]])
        run_queue(experiments(setting, values, arguments.seeds), jobs=arguments.jobs, again=again)
    there = finished()
    names = {
        value: [experiment(setting, value, seed) for seed in range(1, arguments.seeds + 1)]
        for value in values
    }
    done = [value for value in values if all(name in there for name in names[value])]
    if not done:
        sys.exit("nothing is done yet")
    found = [[figures(name) for name in names[value]] for value in done]
    write_table(arguments.folder, setting, done, found)
    draw_curves(arguments.folder / f"{setting}.png", done, found, setting)
    print(f"\n{arguments.folder}: {setting}.csv, {setting}.png")


if __name__ == "__main__":
    main()
