"""No function and no file is longer than can be kept in mind."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tiny import ROOT

MAX_FILE, MAX_FUNCTION = 300, 60  # lines; a function's docstring is not counted
FOLDERS = ("pplr", "stages", "demo", "benchmarks")
FILES = sorted(path for name in FOLDERS for path in (ROOT / name).rglob("*.py"))


def functions(text: str) -> Iterator[tuple[str, int]]:
    """Yield the name of each function and how many lines it has, its docstring apart."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1
            if ast.get_docstring(node) is not None:
                lines -= node.body[0].end_lineno - node.body[0].lineno + 1
            yield node.name, lines


@pytest.mark.parametrize(
    "file", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in FILES]
)
def test_files_and_functions_are_short(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) <= MAX_FILE
    assert [(name, lines) for name, lines in functions(text) if lines > MAX_FUNCTION] == []


def test_lines_are_counted_without_the_docstring() -> None:
    text = 'def f(a,\n      b):\n    """Two\n    lines."""\n    return a\n\n\ndef g(): pass\n'
    assert list(functions(text)) == [("f", 3), ("g", 1)]
