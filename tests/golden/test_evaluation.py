import numpy as np

from pplr.evaluation import retrieval_metrics
from tests.golden.recorded import assert_near, recorded


def test_map_and_cmc() -> None:
    arrays = recorded("evaluation")
    columns = (arrays[name] for name in ("distmat", "q_pids", "g_pids", "q_camids", "g_camids"))
    metrics = retrieval_metrics(*columns)
    assert_near("mAP", metrics.mAP, arrays["mAP"])
    np.testing.assert_array_equal(metrics.cmc[: len(arrays["cmc"])], arrays["cmc"])
