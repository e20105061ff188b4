import pytest

from pplr.runs import open_run


@pytest.fixture(scope="session")
def run(tiny_run):
    return open_run(tiny_run)
