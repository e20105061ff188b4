import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stages import compiled
from tests.tiny import ROOT


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package; what `keep_apart` sets is undone."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", "before")
    ignore = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(ROOT / "pplr", tmp_path / "pplr", ignore=ignore)


def folder_of(package):
    compiled.keep_apart(package)
    return os.environ["NUMBA_CACHE_DIR"]


def change(path, old, new):
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("ranking/distances.py", "return total", "return 2 * total"),
        ("jaccard/rows.py", "def grown", "def  grown"),
        ("clustering.py", "@njit", "# changed\n@njit"),
    ],
)
def test_a_change_of_any_compiled_function_has_a_folder_of_its_own(package, name, old, new):
    before = folder_of(package)
    assert Path(before).is_relative_to(package)
    change(package / name, old, new)
    assert folder_of(package) != before


def test_other_changes_compile_nothing_anew(package):
    before = folder_of(package)
    change(package / "cli/history.py", "history", "History")
    assert folder_of(package) == before


def test_every_module_that_compiles_is_looked_at():
    """A compiled function is one of `numba`, which its file names."""
    decorated = [path for path in (ROOT / "pplr").rglob("*.py") if "njit(" in path.read_text()]
    assert len(decorated) > 5
    assert all("numba" in path.read_text() for path in decorated)


def test_stages_set_it_before_numba_is_loaded():
    """Numba reads the variable as it is loaded."""
    code = "import sys; from stages import launch; print('numba' in sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


RANKED = """
from stages import compiled
compiled.keep_apart()
import numpy as np
from pplr.ranking.lists import _by_distance
bits = np.array([[0], [1], [2]], np.float32).view(np.uint32)
print(*_by_distance(bits, 0, np.array([1, 2], np.int32))[1])
"""


@pytest.mark.slow
def test_a_function_is_compiled_anew_where_one_of_another_file_has_changed(package):
    shutil.copytree(ROOT / "stages", package.parent / "stages")

    def distances():
        command = [sys.executable, "-c", RANKED]
        options = {"cwd": package.parent, "capture_output": True, "text": True, "check": True}
        return subprocess.run(command, **options).stdout.split()

    first = distances()
    change(package / "ranking/distances.py", "    return total", "    return 2 * total")
    assert distances() == [str(2 * float(one)) for one in first]
