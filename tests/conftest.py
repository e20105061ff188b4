import os
import shutil
from pathlib import Path

# Before a library is loaded that computes. With small tensors, or with a worker of pytest for each
# core, two threads wait for each other. Numba keeps its own number: tests compare one with several.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import pytest
from hypothesis import HealthCheck, settings

from pplr.runs import open_run
from stages import compiled
from tests.tiny import make_workspace, run_all
from tests.watching import refuse_hosts, watching

compiled.keep_apart()  # as stages do, before anything loads Numba
refuse_hosts()

# No test fails because a machine is slow, or busy.
settings.register_profile("any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any speed")

# The files of most seconds, which workers take first: at the end, none goes on alone for long. The
# first compiles what Numba compiles, which the second does not need; the others find it compiled.
LONG = (
    "stages/test_dvc.py",
    "network/test_parallel.py",
    "network/test_timm.py",
    "stages/test_launch.py",
    "stages/test_pipeline.py",
)


def pytest_collection_modifyitems(items):
    """Bring the tests of long files to the front."""
    rank = {Path(__file__).parent / name: number for number, name in enumerate(LONG)}
    assert all(path.is_file() for path in rank)
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.fixture(scope="session")
def tiny_run_seen(tmp_path_factory):
    """A workspace in which every stage has run, and what was seen of the world outside."""
    folder = make_workspace(tmp_path_factory.mktemp("tiny_run"))
    with watching() as seen:
        run_all(folder)
    return folder, seen


@pytest.fixture(scope="session")
def tiny_run(tiny_run_seen):
    """A workspace in which every stage has run; whoever changes it takes a copy."""
    return tiny_run_seen[0]


@pytest.fixture(scope="session")
def run(tiny_run):
    """The tiny run, opened."""
    return open_run(tiny_run)


@pytest.fixture
def copy(tiny_run, tmp_path):
    """A copy of the tiny run, to be damaged or changed."""
    shutil.copytree(tiny_run, tmp_path / "run")
    return open_run(tmp_path / "run")
