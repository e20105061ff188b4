import pytest

from pplr.inference.models import open_model
from tests.inference.people import draw_people


@pytest.fixture(scope="session")
def people(tmp_path_factory):
    """A folder of 14 drawn people in folders of their own; whoever changes it takes a copy."""
    return draw_people(tmp_path_factory.mktemp("inference") / "people")


@pytest.fixture(scope="module")
def model(tiny_run):
    return open_model("01", root=tiny_run)
