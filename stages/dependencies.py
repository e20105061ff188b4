"""What each stage depends on: the code it imports and the settings it reads.

Usage: python -m stages.dependencies [--write]

Prints what dvc.yaml's lists of dependencies and settings lack or have too much; `--write` mends
them. Code that makes no number is left out (`EXEMPT`): a change of it reruns nothing.
"""

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from pplr.settings.params import Params
from pplr.storage.layout import RunPaths
from stages.order import STAGES, script

PIPELINE = RunPaths().pipeline

# They make no number: they word errors, read settings, say how far a run is, name and move files,
# or notice damage. What starts a stage (`stages.launch` and its like) no stage imports: a change of
# the list behind `arithmetic`, as of the libraries' versions, reruns nothing.
EXEMPT = (
    "pplr/errors.py",
    "pplr/progress.py",
    "pplr/checks.py",
    "pplr/datasets/checks.py",
    "pplr/datasets/image_checks.py",
    "pplr/datasets/protocol.py",
    "pplr/datasets/remarks.py",
    "pplr/inference/checks.py",
    "pplr/network/checks.py",
    "pplr/network/weight_checks.py",
    "pplr/runs/checks.py",
    "pplr/runs/comparison_checks.py",
    "pplr/runs/progress.py",
    "pplr/runs/revision.py",
    "pplr/serve/checks.py",
    "pplr/settings/",
    "pplr/storage/checks.py",
    "pplr/storage/checksums.py",
    "pplr/storage/integrity.py",
    "pplr/storage/layout.py",
    "pplr/storage/replacing.py",
    "pplr/storage/room.py",
    "stages/settings.py",
)
# They decide where and how fast a stage runs, and nothing else.
EXEMPT_SETTINGS = ("device", "launcher", "workers")


def is_exempt(path: str) -> bool:
    """Return whether a change of a file reruns no stage."""
    return path.startswith(EXEMPT) or path.endswith("__init__.py")


def imported_files(file: Path) -> set[str]:
    """Return the project's files that a file imports, directly or through others, not exempt."""
    found: set[str] = set()
    waiting = [file]
    while waiting:
        for path in _imports(waiting.pop()):
            if str(path) not in found and not is_exempt(str(path)):
                found.add(str(path))
                waiting.append(path)
    return found


def _imports(file: Path) -> Iterator[Path]:
    """Yield the project's files that a file imports itself; a package stands for what it is asked.

    `from package import name` leads to the module that `name` comes from.
    """
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield from _origin(node.module, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if "." in alias.name:
                    yield from _origin(*alias.name.rpartition(".")[::2])


def _origin(module: str, name: str) -> Iterator[Path]:
    """Yield the file of this project in which `from module import name` finds the name, if any."""
    place = Path(*module.split("."))
    if place.with_suffix(".py").is_file():
        yield place.with_suffix(".py")
    elif (place / f"{name}.py").is_file():
        yield place / f"{name}.py"
    elif (place / name / "__init__.py").is_file():
        yield place / name / "__init__.py"
    elif (package := place / "__init__.py").is_file():
        for node in ast.walk(ast.parse(package.read_text())):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            if name in [alias.name for alias in node.names]:
                yield from _origin(node.module, name)
                return
        yield package


def read_settings(file: Path) -> list[str]:
    """Return the settings that a stage's script reads, in the order of params.yaml.

    Those are the attributes of `params`, and all fields of a group in `params.select(…)`.
    """
    module = importlib.import_module(".".join(file.with_suffix("").parts))
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Attribute) and _is_params(node.value):
            found.add(node.attr)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "params.select":
            found |= set(getattr(module, ast.unparse(node.args[0])).model_fields)
    if file != Path(script("check-settings")):
        found.add("arithmetic")  # stages.launch reads it for all that compute
    known = [name for name in Params.model_fields if name not in EXEMPT_SETTINGS]
    return [name for name in known if name in found]


def _is_params(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "params"


def lists_of(stage: str, entry: CommentedMap) -> dict[str, list[str]]:
    """Return what the lists `deps` and `params` of a stage in dvc.yaml should be.

    Dependencies that are no code, such as a stage's inputs, stay as they are.
    """
    file = Path(script(stage))
    inputs = [path for path in entry["deps"] if not path.startswith(("pplr/", "stages/"))]
    code = {*imported_files(file), str(file)}
    lists = {"deps": sorted({*inputs, *code}), "params": read_settings(file)}
    return {name: values for name, values in lists.items() if values}


def differences(stage: str, entry: CommentedMap) -> list[str]:
    """Return a line for each dependency or setting that a stage lacks or has too much."""
    lines = []
    for name, wanted in lists_of(stage, entry).items():
        there = entry.get(name, [])
        lines += [f"{stage}: {name} lacks {value}" for value in wanted if value not in there]
        lines += [f"{stage}: {name} has {value} too much" for value in there if value not in wanted]
    return lines


def main() -> int:
    """Return 1 where dvc.yaml's lists are not what the code reads and were not to be mended."""
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    pipeline = yaml.load(PIPELINE)
    entries = {name: whole.get("do", whole) for name, whole in pipeline["stages"].items()}
    lines = [line for name in STAGES for line in differences(name, entries[name])]
    print("\n".join(lines) or "dvc.yaml lists what every stage reads")
    if "--write" not in sys.argv[1:]:
        return bool(lines)
    for name, entry in entries.items():
        entry |= lists_of(name, entry)
    yaml.dump(pipeline, PIPELINE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
