"""One epoch of training on refined pseudo-labels."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pplr import losses
from pplr.augment import augment, to_normalised
from pplr.checks import check_clusters
from pplr.errors import DataError
from pplr.model import ReIDModel, centroid_classifiers, classify
from pplr.progress import track
from pplr.sampler import pk_batches
from pplr.store import PackedImages


@dataclass(frozen=True, eq=False)
class EpochData:
    """What an epoch is trained on; N images, D feature size, P parts. Nothing of it is true labels.

    Parameters
    ----------
    images
        N images.
    camids
        (N,) int32, -1 unknown.
    pseudo_labels
        (N,) int32, -1 for outliers, which are left out.
    global_features, part_features
        (N,D) and (N,P,D), the features that were clustered: the classifiers' first weights.
    agreement
        (N,P) float32, Eq. 6.
    """

    images: PackedImages
    camids: NDArray[np.int32]
    pseudo_labels: NDArray[np.int32]
    global_features: NDArray[np.floating]
    part_features: NDArray[np.floating]
    agreement: NDArray[np.float32]


@dataclass(frozen=True)
class TrainingSettings:
    """The settings of an epoch, by their names in params.yaml."""

    beta: float
    aals_epoch: int
    pglr_epoch: int
    smoothing: float
    part_refinement: str
    global_refinement: str
    iterations: int
    batch_size: int
    num_instances: int
    sampler_cameras: bool
    lr: float
    weight_decay: float
    lr_step: int
    lr_gamma: float
    pad: int
    erase_probability: float
    seed: int


@dataclass(frozen=True, eq=False)
class EpochResult:
    """What an epoch leaves beside the trained model.

    Parameters
    ----------
    optimizer
        Adam's moments of backbone and BNNecks by parameter name, for the next epoch.
    classifiers
        (1+P,C,D), the trained classifiers.
    losses
        Mean over the iterations of each loss, by name.
    lr
        The epoch's learning rate.
    """

    optimizer: dict[str, Tensor]
    classifiers: Tensor
    losses: dict[str, float]
    lr: float


def train_epoch(
    model: ReIDModel,
    data: EpochData,
    settings: TrainingSettings,
    *,
    epoch: int,
    optimizer_state: dict[str, Tensor] | None,
    device: str,
) -> EpochResult:
    """Return the result of one epoch, which trains `model` in place.

    All randomness of an epoch comes from (seed, epoch).

    Parameters
    ----------
    model
        Moved to `device`.
    data
        Images, pseudo-labels and agreement.
    settings
        Losses, batches, optimizer and augmentation.
    epoch
        Zero-based number of the epoch: it decides lr and which refinements act.
    optimizer_state
        `EpochResult.optimizer` of the epoch before; None in the first.
    device
        Where the model is trained.

    Raises
    ------
    ClusteringError
        There are fewer than two clusters.
    DataError
        A loss is no finite number.
    """
    check_clusters(data.pseudo_labels)
    batch_seed, augment_seed = np.random.SeedSequence((settings.seed, epoch)).spawn(2)
    generator = torch.Generator().manual_seed(int(augment_seed.generate_state(1)[0]))
    model.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    classifiers = nn.Parameter(_first_classifiers(data).to(device))
    lr = settings.lr * settings.lr_gamma ** (epoch // settings.lr_step)
    optimizer = _make_optimizer(model, classifiers, lr, settings.weight_decay, optimizer_state)
    batches = _deal_batches(data, settings, seed=batch_seed)

    totals: dict[str, float] = {}
    for iteration, rows in enumerate(
        track(batches, total=len(batches), what=f"training epoch {epoch:02d}")
    ):
        images = augment(
            torch.from_numpy(data.images[rows]),
            pad=settings.pad,
            erase_probability=settings.erase_probability,
            generator=generator,
        )
        embeddings = model(to_normalised(images, device))  # (B,1+P,D)
        terms = epoch_losses(
            embeddings,
            classify(embeddings, classifiers),  # (B,1+P,C)
            torch.from_numpy(data.pseudo_labels[rows]).long().to(device),
            torch.from_numpy(data.agreement[rows]).to(device),
            settings,
            epoch=epoch,
        )
        loss = torch.stack(list(terms.values())).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        values = {name: term.item() for name, term in terms.items()}
        _check_finite(values, iteration=iteration, epoch=epoch)
        totals = {name: totals.get(name, 0.0) + value for name, value in values.items()}
    means = {name: total / len(batches) for name, total in totals.items()}
    return EpochResult(_optimizer_state(model, optimizer), classifiers.detach(), means, lr)


def epoch_losses(
    embeddings: Tensor,
    logits: Tensor,
    labels: Tensor,
    agreement: Tensor,
    settings: TrainingSettings,
    *,
    epoch: int,
) -> dict[str, Tensor]:
    """Return the terms of the objective by name, Eq. 5 and 11 without the camera term.

    Parameters
    ----------
    embeddings
        (B,1+P,D) from the BNNecks, unnormalised.
    logits
        (B,1+P,C).
    labels
        (B,) int64 pseudo-labels.
    agreement
        (B,P) in [0,1].
    settings
        Which refinements act, from which epoch on.
    epoch
        Zero-based number of the epoch.
    """
    global_logits, part_logits = logits[:, 0], logits[:, 1:]
    if settings.part_refinement == "none":
        part = losses.part_cross_entropy(part_logits, labels)
    elif epoch < settings.aals_epoch:
        part = losses.part_cross_entropy(part_logits, labels, smoothing=settings.smoothing)
    else:
        part = losses.agreement_aware_label_smoothing(part_logits, labels, agreement)
    if settings.global_refinement == "none" or epoch < settings.pglr_epoch:
        whole = nn.functional.cross_entropy(global_logits, labels)
    else:
        whole = losses.part_guided_label_refinement(
            global_logits, part_logits, labels, agreement, beta=settings.beta
        )
    triplet = losses.softmax_triplet(embeddings[:, 0], labels)
    return {"part_loss": part, "global_loss": whole, "triplet_loss": triplet}


def _deal_batches(
    data: EpochData, settings: TrainingSettings, *, seed: np.random.SeedSequence
) -> NDArray[np.int64]:
    """Return the rows (iterations,B) of every batch; say so where clusters are too few."""
    num_clusters = int(data.pseudo_labels.max()) + 1
    wanted = settings.batch_size // settings.num_instances
    if num_clusters < wanted:
        size = num_clusters * settings.num_instances
        print(f"{num_clusters} clusters, fewer than a batch's {wanted}: batches of {size} images")
    return pk_batches(
        data.pseudo_labels,
        data.camids,
        iterations=settings.iterations,
        batch_size=settings.batch_size,
        num_instances=settings.num_instances,
        across_cameras=settings.sampler_cameras,
        rng=np.random.default_rng(seed),
    )


def _first_classifiers(data: EpochData) -> Tensor:
    return centroid_classifiers(
        torch.from_numpy(data.global_features),
        torch.from_numpy(data.part_features),
        torch.from_numpy(data.pseudo_labels).long(),
    )


def _make_optimizer(
    model: ReIDModel,
    classifiers: nn.Parameter,
    lr: float,
    weight_decay: float,
    state: dict[str, Tensor] | None,
) -> torch.optim.Adam:
    """Return Adam with the moments of the epoch before; the classifiers' are always new."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    groups = [{"params": [p for _, p in named]}, {"params": [classifiers]}]
    optimizer = torch.optim.Adam(groups, lr=lr, weight_decay=weight_decay)
    if state is not None:
        for name, parameter in named:
            optimizer.state[parameter] = {
                "step": state["step"].clone(),
                "exp_avg": state[f"exp_avg.{name}"].clone().to(parameter),
                "exp_avg_sq": state[f"exp_avg_sq.{name}"].clone().to(parameter),
            }
    return optimizer


def _optimizer_state(model: ReIDModel, optimizer: torch.optim.Adam) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        state = optimizer.state.get(parameter)
        if state:
            tensors["step"] = state["step"]  # the same for all of them
            tensors[f"exp_avg.{name}"] = state["exp_avg"]
            tensors[f"exp_avg_sq.{name}"] = state["exp_avg_sq"]
    return tensors


def _check_finite(losses: dict[str, float], *, iteration: int, epoch: int) -> None:
    if not np.isfinite(list(losses.values())).all():
        raise DataError(
            what="A loss is no finite number.",
            where=f"epoch {epoch:02d}, iteration {iteration}",
            value=", ".join(f"{name} {value}" for name, value in losses.items()),
            allowed="finite losses",
            next_step="lower `lr`; the models of the epochs before are untouched",
        )
