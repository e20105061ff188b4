"""Two alternations on real images from a real backbone, where they lie beside the repository."""

import json
from pathlib import Path

import numpy as np
import pytest
import zarr

from tests.stages.test_dvc import run
from tests.tiny import ROOT, make_workspace

IMAGES = ROOT.parent / "shared" / "data" / "pku-reid"
WEIGHTS = ROOT.parent / "shared" / "weights" / "mobilenet_v2_imagenet.pth"


@pytest.mark.slow
@pytest.mark.skipif(not IMAGES.is_dir() or not WEIGHTS.is_file(), reason="no real images here")
def test_two_alternations_from_configure_to_metrics(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path)
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    settings = {"backbone": "mobilenet_v2", "weights": WEIGHTS, "height": 128, "width": 48}
    settings |= {"k1": 16, "k": 12, "eps": 0.6, "iterations": 4}
    words = [f"--set={key}={value}" for key, value in settings.items()]
    output = run(
        folder, "pplr", "configure", "market1501", f"--data-dir={IMAGES}", "--epochs=2", *words
    )
    assert [line.split() for line in output.splitlines()[1:4]] == [
        ["train", "592", "37", "2"],
        ["query", "148", "37", "2"],
        ["gallery", "444", "37", "2"],
    ]
    run(folder, "dvc", "repro")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert all(0 < metrics[name] <= 1 for name in ("mAP", "rank1", "rank5", "rank10"))
    features = zarr.open_group(folder / "data/alternations/01/features.zarr", mode="r")
    assert features["parts"].shape == (592, 3, 1280)
    labels = zarr.open_group(folder / "data/alternations/01/clusters.zarr", mode="r")
    assert np.max(labels["pseudo_labels"][...]) >= 1
