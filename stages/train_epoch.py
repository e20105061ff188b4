"""Train one epoch on the refined pseudo-labels of an alternation."""

from pplr.checkpoint import read_model, read_optimizer, read_settings, write_model
from pplr.store import PackedImages, read_arrays, read_digest, write_json
from pplr.training import EpochData, TrainingSettings, train_epoch
from stages import settings


def main(name: str, previous: str) -> None:
    """Write the model and the losses of alternation `name`, trained on from model `previous`."""
    params = settings.params()
    start = settings.model_path(previous)
    train = settings.DATASET / "train"
    digest = read_digest(train)
    model = read_model(start)
    result = train_epoch(
        model,
        EpochData(
            PackedImages(train),
            *read_arrays(train, "camids"),
            *read_arrays(settings.arrays_path(name, "clusters"), "pseudo_labels", digest=digest),
            *read_arrays(settings.arrays_path(name, "features"), "global", "parts", digest=digest),
            *read_arrays(settings.arrays_path(name, "agreement"), "cross_agreement", digest=digest),
        ),
        params.select(TrainingSettings),
        epoch=int(name),
        optimizer_state=read_optimizer(start),
        device=params.device,
    )
    write_model(
        settings.model_path(name),
        model,
        read_settings(start),
        optimizer=result.optimizer,
        classifiers=result.classifiers,
    )
    write_json(settings.results_path("training", name), {**result.losses, "lr": result.lr})
