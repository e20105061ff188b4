import re

import numpy as np
import pytest

from tests.golden.recorded import ALLOWED, assert_near
from tests.tiny import ROOT

EXPECTED = np.array([[4.0, -8.0], [0.0, 1.0]])


@pytest.mark.parametrize("share", [0.0, 0.9, -0.9])
def test_what_is_near_passes(share: float) -> None:
    assert_near("loss", EXPECTED + 8 * share * ALLOWED["loss"], EXPECTED)


@pytest.mark.parametrize("change", [1.1 * 8 * ALLOWED["loss"], -1e-5, np.nan, np.inf])
def test_one_number_that_is_far_fails(change: float) -> None:
    actual = EXPECTED.copy()
    actual[1, 0] += change
    with pytest.raises(AssertionError):
        assert_near("loss", actual, EXPECTED)


def test_another_shape_fails() -> None:
    with pytest.raises(AssertionError):
        assert_near("loss", EXPECTED[:1], np.repeat(EXPECTED[:1], 2, axis=0))


@pytest.mark.parametrize("quantity", ALLOWED)
def test_the_readme_says_what_is_allowed_and_that_it_is_near(quantity: str) -> None:
    text = (ROOT / "README.md").read_text().partition("## Fidelity")[2]
    (row,) = re.findall(rf"^\| {quantity} \|.*\| (\S+) \| (\S+) \|$", text, re.M)
    measured, allowed = map(float, row)
    assert allowed == ALLOWED[quantity]
    assert measured < allowed < 50 * measured
