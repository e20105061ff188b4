import os

# Before a library is loaded that computes. With small tensors, or with a worker of pytest for each
# core, two threads wait for each other. Numba keeps its own number: tests compare one with several.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import pytest
from hypothesis import HealthCheck, settings

from tests.tiny import make_workspace, run_all

# No test fails because a machine is slow, or busy.
settings.register_profile("any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any speed")


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory):
    """A workspace in which every stage has run; whoever changes it takes a copy."""
    folder = make_workspace(tmp_path_factory.mktemp("tiny_run"))
    run_all(folder)
    return folder
