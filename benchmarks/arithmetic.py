"""Which processors give the demo the same bytes: a row of arithmetic.csv for the finished run.

Usage: python -m benchmarks.arithmetic

adds the run in the current folder, as dvc.lock records it, to the table, and says which of the
other processors' rows are equal to it.
"""

import csv
import hashlib
import json
import sys
from pathlib import Path

from ruamel.yaml import YAML

from pplr.settings.params import load_params
from pplr.settings.schedule import load_schedule
from pplr.storage.layout import RunPaths
from stages.order import Command, commands

TABLE = Path(__file__).with_suffix(".csv")
COLUMNS = ("processor", "instructions", "arithmetic", "outputs", "digest", "mAP")


def row_of_run(paths: RunPaths, cpuinfo: str) -> dict[str, str]:
    """Return the row of a finished run.

    Parameters
    ----------
    paths
        The run's.
    cpuinfo
        The content of /proc/cpuinfo.
    """
    lines = [line.partition(":") for line in cpuinfo.splitlines()]
    about = {key.strip(): value.strip() for key, _, value in lines}
    flags = about["flags"].split()
    stages = YAML(typ="safe").load(paths.lock)["stages"].values()
    outs = {out["path"]: out["md5"] for stage in stages for out in stage["outs"]}
    listed = "".join(f"{path} {outs[path]}\n" for path in sorted(outs))
    newest = next((name for name in ("avx512f", "avx2", "avx") if name in flags), "sse")
    return {
        "processor": f"{about['vendor_id']} family {about['cpu family']} model {about['model']}",
        "instructions": {"avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX", "sse": "SSE"}[newest],
        "arithmetic": load_params(paths.params).arithmetic,
        "outputs": str(len(outs)),
        "digest": hashlib.sha256(listed.encode()).hexdigest()[:16],
        "mAP": f"{json.loads(paths.metrics.read_text())['mAP']:.4f}",
    }


def timed(paths: RunPaths, command: Command) -> bool:
    """Return whether a stage has run in this folder, which neither git nor DVC's cache brings."""
    name = command.arguments[0] if command.arguments else "all"
    return paths.timing(command.stage, name).is_file()


def add_row(table: Path, row: dict[str, str]) -> list[dict[str, str]]:
    """Add a row to the table unless it is there; return the others."""
    rows = list(csv.DictReader(table.read_text().splitlines())) if table.is_file() else []
    others = [other for other in rows if other != row]
    if len(others) == len(rows):
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows([*rows, row])
    return others


def main() -> None:
    """Add this run and say which other rows are equal to it."""
    paths = RunPaths()
    missing = [one for one in commands(load_schedule(paths.schedule)) if not timed(paths, one)]
    if missing:  # dvc.lock alone is git's: it says nothing of this processor
        sys.exit(
            f"this processor has not run {len(missing)} of the stages, as {missing[0].stage}: "
            "`dvc repro --force`, then this again"
        )
    row = row_of_run(paths, Path("/proc/cpuinfo").read_text())
    print(", ".join(row.values()))
    for other in add_row(TABLE, row):
        if other["arithmetic"] == row["arithmetic"] and other["processor"] != row["processor"]:
            equal = "the same bytes" if other["digest"] == row["digest"] else "OTHER BYTES"
            print(f"  {equal}: {other['processor']}, {other['instructions']}, mAP {other['mAP']}")


if __name__ == "__main__":
    main()
