import numpy as np
import pytest

from pplr.storage import images as split_images
from pplr.storage.arrays import write_arrays
from tests.packing import PATHS, write_split


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "global": rng.normal(size=(5, 4)).astype(np.float16),
        "parts": rng.normal(size=(5, 3, 4)).astype(np.float32),
        "pseudo_labels": np.array([0, 0, -1, 1, 0], np.int32),
    }


@pytest.fixture
def group(tmp_path, arrays):
    path = tmp_path / "features.zarr"
    write_arrays(path, arrays, digest="table-1")
    return path


@pytest.fixture
def images():
    return np.random.default_rng(1).integers(0, 256, (5, 4, 2, 3), dtype=np.uint8)


@pytest.fixture
def split(tmp_path, images, monkeypatch):
    """Five images in chunks of two; the camera of image 2 is unknown."""
    monkeypatch.setattr(split_images, "IMAGES_PER_CHUNK", 2)
    path = tmp_path / "train"
    write_split(
        path,
        images,
        columns={
            "pids": np.array([1, 1, 2, 2, 0], np.int32),
            "camids": np.array([0, 1, -1, 1, 0], np.int32),
        },
        paths=PATHS,
    )
    return path
