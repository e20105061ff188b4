"""The stopwatch knows the functions whose time it takes."""

import functools
import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.stopwatch import KINDS
from pplr.storage.arrays import write_arrays
from tests.tiny import ROOT, tiny_params, tiny_schedule, write_settings

PLACES = [
    (module, name)
    for places in KINDS.values()
    for module, names in places.items()
    for name in names
]


@pytest.mark.parametrize(("module", "name"), PLACES)
def test_what_is_timed_is_where_it_is_looked_for(module: str, name: str) -> None:
    found = functools.reduce(getattr, name.split("."), importlib.import_module(module))
    assert callable(found)
    assert found.__module__ == module  # elsewhere, others would have taken it before


def test_a_stages_time_lands_in_its_kind(tmp_path: Path) -> None:
    watch, folder = tmp_path / "watch", tmp_path / "run"
    watch.mkdir()
    folder.mkdir()
    shutil.copy(ROOT / "benchmarks" / "stopwatch.py", watch / "sitecustomize.py")
    write_settings(folder, tiny_params(), tiny_schedule())
    rng = np.random.default_rng(0)
    people = np.repeat(rng.standard_normal((10, 8)), 6, axis=0)
    features = (people + 0.1 * rng.standard_normal(people.shape)).astype(np.float32)
    arrays = {"global": features, "parts": features[:, None]}
    write_arrays(folder / "data/alternations/00/features.zarr", arrays, digest="a table")
    search = os.pathsep.join((str(watch), str(ROOT)))  # the code of this tree, kernels compiled
    subprocess.run(
        [sys.executable, "-m", "stages.launch", "cluster", "00"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": search, "STOPWATCH": str(watch)},
        check=True,
    )
    seconds = json.loads((watch / "cluster-00.json").read_text())
    expected = {"labels, agreement, evaluation", "reading and writing", "imports"}
    assert expected <= {kind for kind, taken in seconds.items() if taken > 0}
    assert "model computation" not in seconds


TAKEN = """
import builtins, importlib
from benchmarks import stopwatch
builtins.__import__ = stopwatch.timed_import
from stages.order import STAGES, module
timed = {name for places in stopwatch.KINDS.values() for names in places.values() for name in names}
for stage in STAGES:
    taken = vars(importlib.import_module(f"stages.{module(stage)}"))
    for name in taken.keys() & timed:
        print(stage, name, hasattr(taken[name], "__wrapped__"))
"""


def test_stages_take_the_functions_whose_time_is_noted() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TAKEN], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["train-epoch", "train_epoch", "True"] in lines
    assert [line for line in lines if line[2] != "True"] == []
    assert len(lines) > 20
