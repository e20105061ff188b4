import numpy as np
import pytest

from pplr.training.records import EpochData, EpochStart


def test_fields_are_given_by_name():
    """Cameras and labels are both (N,) int32: by position, they could trade places unseen."""
    camids = labels = np.zeros(2, np.int32)
    with pytest.raises(TypeError, match="positional"):
        EpochData(None, camids, labels, None, None, None)
    with pytest.raises(TypeError, match="positional"):
        EpochStart({}, {})
