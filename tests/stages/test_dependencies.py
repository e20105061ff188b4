"""dvc.yaml lists, for each stage, the code it runs and the settings it reads."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pplr.settings.groups import DemoSettings, ImageSettings
from stages import dependencies
from stages.dependencies import EXEMPT, differences, imported_files, is_exempt, read_settings
from stages.order import STAGES, module, script
from tests.fresh_imports import brought
from tests.tiny import ROOT

ENTRIES = {
    name: whole.get("do", whole) for name, whole in YAML().load(ROOT / "dvc.yaml")["stages"].items()
}


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_stages_stand_in_dvc_yaml_in_their_order():
    assert tuple(ENTRIES) == STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_lists_the_code_it_runs_and_the_settings_it_reads(stage):
    assert differences(stage, ENTRIES[stage]) == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_run_by_its_name_and_says_what_it_does(stage):
    assert ENTRIES[stage]["cmd"].split()[:4] == ["python", "-m", "stages.launch", stage]
    assert ENTRIES[stage]["desc"]


def test_a_file_imports_what_its_imports_import():
    found = imported_files(Path(script("cluster")))
    # by way of pplr/ranking/__init__.py, or directly
    assert {"pplr/ranking/lists.py", "pplr/ranking/candidates.py"} <= found
    assert "pplr/jaccard/rows.py" in found
    assert "pplr/losses.py" not in found


def test_a_package_stands_for_the_module_its_name_comes_from(tmp_path, monkeypatch):
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "__init__.py").write_text("from room.deep import name\n")
    (tmp_path / "room" / "deep.py").write_text("name = 1\n")
    (tmp_path / "room" / "other.py").write_text("")
    (tmp_path / "stage.py").write_text("from room import name\n")
    monkeypatch.chdir(tmp_path)
    assert imported_files(Path("stage.py")) == {"room/deep.py"}


def test_what_is_missing_or_too_much_is_said():
    entry = {
        "deps": [*ENTRIES["cluster"]["deps"], "pplr/losses.py"],
        "params": [name for name in ENTRIES["cluster"]["params"] if name != "eps"],
    }
    entry["deps"].remove("pplr/clustering.py")
    assert differences("cluster", entry) == [
        "cluster: deps lacks pplr/clustering.py",
        "cluster: deps has pplr/losses.py too much",
        "cluster: params lacks eps",
    ]


def test_write_mends_the_lists_and_nothing_else(tmp_path, monkeypatch, capsys):
    text = (ROOT / "dvc.yaml").read_text()
    broken = text.replace("        - pplr/clustering.py\n", "").replace("        - eps\n", "")
    file = tmp_path / "dvc.yaml"
    file.write_text(broken)
    monkeypatch.setattr(dependencies, "PIPELINE", file)
    monkeypatch.setattr(sys, "argv", ["dependencies"])
    assert dependencies.main() == 1
    assert "cluster: deps lacks pplr/clustering.py" in capsys.readouterr().out
    assert file.read_text() == broken
    monkeypatch.setattr(sys, "argv", ["dependencies", "--write"])
    assert dependencies.main() == 0
    assert YAML(typ="safe").load(file) == YAML(typ="safe").load(text)
    assert dependencies.main() == 0
    assert capsys.readouterr().out.endswith("dvc.yaml lists what every stage reads\n")


def test_the_settings_that_a_script_reads():
    assert read_settings(Path(script("cluster"))) == [
        *("search", "k1", "k2", "eps", "min_samples", "k"),
        "arithmetic",  # which stages.launch reads for every stage that computes
    ]
    assert read_settings(Path(script("check-settings"))) == []
    assert "device" not in read_settings(Path(script("cluster")))  # it is read, and exempt
    assert "num_hard_negatives" in read_settings(Path(script("train-epoch")))
    assert read_settings(Path(script("prepare-data"))) == [
        *ImageSettings.model_fields,
        "arithmetic",
        *DemoSettings.model_fields,
    ]


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "check-settings"])
def test_a_stage_hands_on_only_settings_that_it_names(stage):
    tree = ast.parse(Path(script(stage)).read_text())
    named = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    loads = [node for node in ast.walk(tree) if ast.unparse(node) == "params"]
    whole = [node for node in loads if isinstance(node.ctx, ast.Load) and id(node) not in named]
    assert whole == []


@pytest.mark.parametrize("path", EXEMPT)
def test_what_is_exempt_is_there(path):
    assert (ROOT / path).exists()


def test_words_are_exempt_and_numbers_are_not():
    for path in ("pplr/errors.py", "pplr/checks.py", "pplr/settings/presets.py"):
        assert is_exempt(path)
    for path in ("pplr/losses.py", "pplr/storage/arrays.py", "pplr/jaccard/distance.py"):
        assert not is_exempt(path)


def worded_errors(text: str) -> Iterator[str]:
    """Yield each call of a class of pplr.errors, or with advice, with its line."""
    tree = ast.parse(text)
    named = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "pplr.errors"
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            advised = any(keyword.arg in ("allowed", "next_step") for keyword in node.keywords)
            if advised or ast.unparse(node.func) in named:
                yield f"line {node.lineno}: {ast.unparse(node.func)}"


def test_rewording_an_error_reruns_nothing():
    files = {file for stage in STAGES for file in imported_files(Path(script(stage)))}
    files |= {script(stage) for stage in STAGES}
    assert "pplr/jaccard/distance.py" in files
    found = {file: list(worded_errors(Path(file).read_text())) for file in sorted(files)}
    assert {file: calls for file, calls in found.items() if calls} == {}
    assert list(worded_errors(Path("pplr/checks.py").read_text()))
    for path in Path("pplr").rglob("*checks.py"):
        assert is_exempt(str(path)), path


# seconds that a stage need not wait; where faiss, torchvision or timm are used, they are imported
HEAVY = ("faiss", "timm", "torch", "torchvision")
WITH_TORCH = {"draw-attention", "extract-features", "evaluate", "init-model", "train-epoch"}


@pytest.fixture(scope="module")
def heavy_libraries():
    """Return what each stage imports of the heavy libraries."""
    found = brought([f"import stages.launch, stages.{module(stage)}" for stage in STAGES], HEAVY)
    return dict(zip(STAGES, found, strict=True))


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_no_large_library_that_it_does_not_use(heavy_libraries, stage):
    assert heavy_libraries[stage] == (["torch"] if stage in WITH_TORCH else [])
