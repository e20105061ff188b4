import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pplr.storage.arrays_table import arrays_table, with_arrays_table
from pplr.storage.layout import GROUPS, SPLITS, ModelFiles, RunPaths
from pplr.storage.specs import ARRAYS
from tests.tiny import ROOT


@pytest.mark.parametrize("spec", ARRAYS.values(), ids=ARRAYS.keys())
def test_every_array_is_described(spec):
    assert spec.group in ("split", "ranking", *GROUPS)
    assert spec.dimensions[0] == ("query" if spec.group == "ranking" else "image")
    assert len(spec.description) > 5
    assert spec.unit
    assert spec.dtypes
    assert bool(spec.unknown) == (spec.lowest == -1 and "-1" in spec.description)


def test_paths_by_hand():
    paths = RunPaths()
    assert str(paths.params) == "params.yaml"
    assert str(paths.schedule) == "schedule.yaml"
    assert str(paths.pipeline) == "dvc.yaml"
    assert str(paths.metrics) == "metrics.json"
    assert str(paths.checked) == "data/settings-checked.txt"
    assert str(paths.history) == "data/history.csv"
    assert str(paths.split("train")) == "data/dataset.zarr/train"
    assert str(paths.arrays("03", "clusters")) == "data/alternations/03/clusters.zarr"
    assert str(paths.model("init")) == "data/models/init"
    assert str(paths.training("03")) == "data/results/training/03.json"
    assert str(paths.evaluation("init")) == "data/results/evaluation/init.json"
    assert str(paths.ranking("init")) == "data/rankings/init.zarr"
    assert str(paths.timing("cluster", "03")) == "data/timing/cluster/03.json"
    assert str(ModelFiles(paths.model("00")).teacher) == "data/models/00/ema.safetensors"
    assert RunPaths(Path("/runs/1")).history == Path("/runs/1/data/history.csv")


def test_the_outputs_are_those_of_the_pipeline(tiny_run):
    stages = YAML(typ="safe").load(tiny_run / "dvc.yaml")["stages"].values()
    outs = [out for stage in stages for out in stage.get("do", stage).get("outs", ())]
    named = {str(path) for path in RunPaths().outputs(["NAME"])}
    others = {"data/timing", "metrics.json"}  # the one nobody depends on, the other a metric
    written = {re.sub(r"\$\{\w+\}", "NAME", out) for out in outs}
    assert written - {"data/models/init"} == named - others


def test_what_a_run_writes_is_what_the_layout_says(tiny_run):
    paths = RunPaths(tiny_run)
    groups = {path.parent for path in paths.data.rglob("zarr.json")}
    arrays = {path for path in groups if path.name in ARRAYS}
    splits = {paths.split(split) for split in SPLITS}
    alternations = {paths.arrays(name, group) for name in ("00", "01") for group in GROUPS}
    rankings = {paths.ranking(name) for name in ("init", "01")}
    assert groups - arrays == {paths.dataset, *splits, *alternations, *rankings}
    for path in arrays:
        named = {**dict.fromkeys(splits, "split"), **dict.fromkeys(rankings, "ranking")}
        group = named.get(path.parent, path.parent.stem)
        assert ARRAYS[path.name].group == group
    assert {path.name for path in arrays} == set(ARRAYS) - {"part_agreement"}


def test_the_table_in_the_readme_is_the_layout():
    text = (ROOT / "data" / "README.md").read_text()
    assert arrays_table() in text
    assert with_arrays_table(text) == text
    assert with_arrays_table(text.replace("(N,P,D)", "(N,D,P)")) == text


def test_a_line_of_the_table_by_hand():
    lines = arrays_table().splitlines()
    assert len(lines) == 2 + len(ARRAYS)
    assert (
        "| `alternations/<e>/clusters.zarr` | `pseudo_labels` | (N,) | int32 | 0…; -1: outlier "
        "| cluster | cluster of the global features; -1 is an outlier |"
    ) in lines
