"""Run a model over the training images."""

import time

import numpy as np

from pplr.network.checkpoint import read_model
from pplr.network.extraction import extract_features
from pplr.network.parallel import rank
from pplr.storage.arrays import read_digest, write_arrays
from pplr.storage.images import PackedImages
from pplr.storage.replacing import check_room
from stages import settings


def main(name: str, previous: str) -> dict[str, float]:
    """Write the features of alternation `name`, seen by the model `previous`."""
    params = settings.params()
    train = settings.PATHS.split("train")
    model = read_model(settings.PATHS.model(previous))
    images = PackedImages(train)
    path = settings.PATHS.arrays(name, "features")
    values = len(images) * len(model.bnnecks) * model.backbone.num_features
    check_room(path, values * np.dtype(params.feature_dtype).itemsize)  # before the work
    start = time.monotonic()
    global_features, part_features = extract_features(
        model,
        images,
        device=params.device,
        precision=params.precision,
        dtype=params.feature_dtype,
        what=f"features {name}",
    )
    seconds = time.monotonic() - start
    if rank() == 0:
        write_arrays(
            path,
            {"global": global_features, "parts": part_features},
            digest=read_digest(train),
        )
    return {"images_per_second": round(len(global_features) / seconds, 1)}
