"""The code that each stage depends on in dvc.yaml is the code it runs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.tiny import ROOT

# They make no number: they read settings, word errors, or show progress.
EXEMPT = {
    "pplr/__init__.py",
    "pplr/checks.py",
    "pplr/errors.py",
    "pplr/params.py",
    "pplr/progress.py",
    "pplr/schedule.py",
    "stages/__init__.py",
    "stages/settings.py",
}

STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]


def imported_files(file: Path) -> set[str]:
    """Return the project's files that a file imports, directly or through one not exempt."""
    found: set[str] = set()
    waiting = [file]
    while waiting:
        tree = ast.parse(waiting.pop().read_text())
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                stem = ROOT / name.replace(".", "/")
                for path in (stem.with_suffix(".py"), stem / "__init__.py"):
                    relative = str(path.relative_to(ROOT))
                    if path.is_file() and relative not in found:
                        found.add(relative)
                        if relative not in EXEMPT:
                            waiting.append(path)
    return found


def stage_deps(name: str) -> set[str]:
    stage = STAGES[name].get("do", STAGES[name])
    return {dep for dep in stage["deps"] if dep.startswith(("pplr", "stages"))}


def test_a_file_imports_what_its_imports_import() -> None:
    found = imported_files(ROOT / "stages" / "cluster.py")
    assert "pplr/jaccard.py" in found
    assert "pplr/store.py" in found
    assert "pplr/losses.py" not in found


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_the_code_it_runs(name: str) -> None:
    script = f"stages/{name.replace('-', '_')}.py"
    needed = {
        path.rsplit("/", 1)[0] if path.startswith("pplr/datasets/") else path
        for path in imported_files(ROOT / script) - EXEMPT
    }
    assert stage_deps(name) == needed | {script}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_run_by_its_name_and_says_what_it_does(name: str) -> None:
    stage = STAGES[name].get("do", STAGES[name])
    assert stage["cmd"].split()[:4] == ["python", "-m", "stages.launch", name]
    assert stage["desc"]


# seconds that a stage need not wait; where faiss, torchvision or timm are used, they are imported
HEAVY = {"faiss", "timm", "torch", "torchvision"}
WITH_TORCH = {"extract-features", "evaluate", "init-model", "train-epoch"}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_imports_no_large_library_that_it_does_not_use(name: str) -> None:
    code = (
        f"import sys, stages.launch, stages.{name.replace('-', '_')};"
        f"print(*sorted({HEAVY} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == (["torch"] if name in WITH_TORCH else [])
