"""What the README shows is run."""

import re

import pytest

from tests.tiny import ROOT, working_in

BLOCKS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)


def test_there_are_examples():
    assert any("open_run" in block for block in BLOCKS)
    assert any("zarr.open" in block for block in BLOCKS)


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_runs(tiny_run, block, capsys):
    with working_in(tiny_run):
        exec(compile(block, "README.md", "exec"), {})
    assert capsys.readouterr().out
