import pytest

from tests.tiny import make_workspace, run_all


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory):
    """A workspace in which every stage has run; whoever changes it takes a copy."""
    folder = make_workspace(tmp_path_factory.mktemp("tiny_run"))
    run_all(folder)
    return folder


@pytest.fixture(scope="module")
def one_thread():
    """Run torch on one thread: with small tensors on a busy machine, two wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
