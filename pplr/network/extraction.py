"""Running a model over the images of a split."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pplr.network.checks import check_extracted
from pplr.network.model import ReIDModel, autocast
from pplr.network.parallel import gather_rows, rank, world_size
from pplr.progress import track
from pplr.storage.images import PackedImages

BATCH_SIZE = 128


def extract_features(
    model: ReIDModel,
    images: PackedImages,
    *,
    device: str,
    precision: str,
    dtype: str,
    what: str,
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the features of every image in the global space and in the part spaces.

    Features are the BNNeck's outputs, L2-normalised, for all spaces. Under torch.distributed the
    processes take the batches in turn, and all of them return all features.

    Parameters
    ----------
    model
        Moved to `device` and set to evaluation.
    images
        N images.
    device
        Where the model runs.
    precision
        `float32` or `bfloat16`, the model's arithmetic.
    dtype
        `float16` or `float32`, to which the normalised features are rounded.
    what
        Name of the images in the progress.

    Returns
    -------
    global_features : NDArray
        (N,D).
    part_features : NDArray
        (N,P,D).

    Raises
    ------
    DataError
        A feature is NaN or infinite, or an image is damaged.
    """
    N, D, P = len(images), model.backbone.num_features, model.num_parts
    global_features = np.empty((N, D), dtype=dtype)
    part_features = np.empty((N, P, D), dtype=dtype)
    for rows, features in _batches(model, images, device=device, precision=precision, what=what):
        global_features[rows] = features[:, 0]
        part_features[rows] = features[:, 1:]
    return global_features, part_features


def extract_global_features(
    model: ReIDModel, images: PackedImages, *, device: str, what: str
) -> NDArray[np.float32]:
    """Return the global features (N,D) float32, L2-normalised: all that retrieval uses.

    Parameters and errors are those of `extract_features`.
    """
    global_features = np.empty((len(images), model.backbone.num_features), dtype=np.float32)
    for rows, features in _batches(model, images, device=device, precision="float32", what=what):
        global_features[rows] = features[:, 0]
    return global_features


def unit_features(
    model: ReIDModel, images: NDArray[np.uint8], *, device: str, precision: str = "float32"
) -> Tensor:
    """Return features (n,1+P,D) of images (n,H,W,3) uint8: the BNNecks' outputs, L2-normalised."""
    with autocast(device, precision):
        embeddings = model(model.normalised(images, device))
    return F.normalize(embeddings.float(), dim=2)


def _batches(
    model: ReIDModel, images: PackedImages, *, device: str, precision: str, what: str
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield row numbers (n,) and normalised features (n,1+P,D), one batch a process at a time."""
    model.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    # batches are the same however many processes there are: so are their bits
    starts = range(0, len(images), BATCH_SIZE * world_size())
    for start in track(starts, total=len(starts), what=f"extracting {what}"):
        bounds = np.minimum(start + BATCH_SIZE * np.arange(world_size() + 1), len(images))
        own = np.arange(bounds[rank()], bounds[rank() + 1])
        # around the batch alone: a model moved in inference mode could not be trained afterwards
        with torch.inference_mode():
            if len(own):
                features = unit_features(model, images[own], device=device, precision=precision)
            else:  # at the end, beside processes that have some; not every network takes none
                spaces, D = 1 + model.num_parts, model.backbone.num_features
                features = torch.empty(0, spaces, D, device=device)
            features = gather_rows(features, np.diff(bounds).tolist())
        rows = np.arange(bounds[0], bounds[-1])
        found = features.cpu().numpy()
        check_extracted(found, rows, what=what)
        yield rows, found
