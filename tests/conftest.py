import pytest


@pytest.fixture(scope="module")
def one_thread():
    """Run torch on one thread: with small tensors on a busy machine, two wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
