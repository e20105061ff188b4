import shutil

import pytest

from pplr.runs import open_run


@pytest.fixture(scope="session")
def run(tiny_run):
    return open_run(tiny_run)


@pytest.fixture
def copy(tiny_run, tmp_path):
    """A copy of the tiny run, to be changed."""
    shutil.copytree(tiny_run, tmp_path / "run")
    return open_run(tmp_path / "run")
