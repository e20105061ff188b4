"""Train one epoch on the refined pseudo-labels of an alternation."""

from pplr.network.checkpoint import (
    read_model,
    read_optimizer,
    read_settings,
    read_teacher,
    write_model,
)
from pplr.network.parallel import rank
from pplr.settings.groups import TrainingSettings
from pplr.storage.arrays import read_arrays, read_digest
from pplr.storage.images import PackedImages
from pplr.storage.json_files import write_json
from pplr.training.epoch import train_epoch
from pplr.training.records import EpochData, EpochStart
from stages import settings


def main(name: str, previous: str) -> dict[str, float]:
    """Write the model and the losses of alternation `name`, trained on from model `previous`."""
    params = settings.params()
    start = settings.PATHS.model(previous)
    train = settings.PATHS.split("train")
    digest = read_digest(train)
    agreements = ["cross_agreement"]
    if params.part_refinement == "parts":
        agreements.append("part_agreement")
    model = read_model(start)
    result = train_epoch(
        model,
        EpochData(
            PackedImages(train),
            *read_arrays(train, "camids"),
            *read_arrays(settings.PATHS.arrays(name, "clusters"), "pseudo_labels", digest=digest),
            *read_arrays(settings.PATHS.arrays(name, "features"), "global", "parts", digest=digest),
            *read_arrays(settings.PATHS.arrays(name, "agreement"), *agreements, digest=digest),
        ),
        params.select(TrainingSettings),
        epoch=int(name),
        start=EpochStart(read_optimizer(start), read_teacher(start)),
        device=params.device,
    )
    if rank() == 0:
        write_model(
            settings.PATHS.model(name),
            model,
            read_settings(start),
            optimizer=result.optimizer,
            teacher=result.teacher,
            classifiers=result.classifiers,
        )
        write_json(settings.PATHS.training(name), {**result.losses, "lr": result.lr})
    return {
        "images_per_second": round(result.images_per_second, 1),
        "waiting_share": round(result.waiting_share, 4),
    }
