"""Run a model over the training images."""

from pplr.checkpoint import read_model
from pplr.features import extract_features
from pplr.store import PackedImages, read_digest, write_arrays
from stages import settings


def main(name: str, previous: str) -> None:
    """Write the features of alternation `name`, seen by the model `previous`."""
    params = settings.params()
    train = settings.DATASET / "train"
    global_features, part_features = extract_features(
        read_model(settings.model_path(previous)),
        PackedImages(train),
        device=params.device,
        dtype=params.feature_dtype,
        what=f"features {name}",
    )
    write_arrays(
        settings.arrays_path(name, "features"),
        {"global": global_features, "parts": part_features},
        digest=read_digest(train),
    )
