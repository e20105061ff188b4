"""Train one epoch on the refined pseudo-labels of an alternation."""

from pplr.network.checkpoint import (
    epoch_bytes,
    read_model,
    read_optimizer,
    read_settings,
    read_teacher,
    write_model,
)
from pplr.network.parallel import rank
from pplr.settings.groups import TrainingSettings
from pplr.storage.arrays import read_arrays, read_digest, write_arrays
from pplr.storage.images import PackedImages
from pplr.storage.json_files import write_json
from pplr.storage.replacing import check_room
from pplr.training.epoch import train_epoch
from pplr.training.records import EpochData, EpochStart
from stages import settings


def main(name: str, previous: str) -> dict[str, float]:
    """Write the model and the losses of alternation `name`, trained on from model `previous`."""
    params = settings.params()
    start = settings.PATHS.model(previous)
    train = settings.PATHS.split("train")
    digest = read_digest(train)
    (camids,) = read_arrays(train, "camids")
    features = settings.PATHS.arrays(name, "features")
    clusters = settings.PATHS.arrays(name, "clusters")
    agreement = settings.PATHS.arrays(name, "agreement")
    (pseudo_labels,) = read_arrays(clusters, "pseudo_labels", digest=digest)
    global_features, part_features = read_arrays(features, "global", "parts", digest=digest)
    (cross_agreement,) = read_arrays(agreement, "cross_agreement", digest=digest)
    part_agreement = None
    if params.part_refinement == "parts":
        (part_agreement,) = read_arrays(agreement, "part_agreement", digest=digest)
    model = read_model(start)
    num_clusters = int(pseudo_labels.max(initial=-1)) + 1
    has_teacher = params.global_refinement == "mean-teacher"
    check_room(  # before the work
        settings.PATHS.model(name), epoch_bytes(model, num_clusters, with_teacher=has_teacher)
    )
    result = train_epoch(
        model,
        EpochData(
            images=PackedImages(train),
            camids=camids,
            pseudo_labels=pseudo_labels,
            global_features=global_features,
            part_features=part_features,
            agreement=cross_agreement,
            part_agreement=part_agreement,
        ),
        params.select(TrainingSettings),
        epoch=int(name),
        start=EpochStart(
            optimizer=read_optimizer(start, model), teacher=read_teacher(start, model)
        ),
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
        refined = result.refined
        write_arrays(
            settings.PATHS.arrays(name, "refined"),
            {"refined_classes": refined.classes, "refined_weights": refined.weights},
            digest=digest,
        )
        write_json(settings.PATHS.training(name), {**result.losses, "lr": result.lr})
    return {
        "images_per_second": round(result.images_per_second, 1),
        "waiting_share": round(result.waiting_share, 4),
    }
