"""One epoch of training on refined pseudo-labels."""

import inspect
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import get_total_norm

from pplr.checks import check_cameras, check_clusters, check_finite, check_shares, check_world
from pplr.network.model import ReIDModel
from pplr.network.parallel import average_buffers, rank, shares, world_size
from pplr.progress import track
from pplr.settings.groups import TrainingSettings
from pplr.training.augment import Augmentation
from pplr.training.centroids import camera_proxies, centroid_classifiers
from pplr.training.learner import Learner
from pplr.training.loading import augmented_batches
from pplr.training.objective import (
    Predictions,
    Targets,
    epoch_losses,
    label_shares,
    refined_labels,
)
from pplr.training.optimizer import make_optimizer, optimizer_state
from pplr.training.records import EpochData, EpochResult, EpochStart
from pplr.training.refined import RefinedLabels
from pplr.training.sampler import pk_batches
from pplr.training.teacher import MeanTeacher


def train_epoch(
    model: ReIDModel,
    data: EpochData,
    settings: TrainingSettings,
    *,
    epoch: int,
    start: EpochStart,
    device: str,
) -> EpochResult:
    """Return the result of one epoch, which trains `model` in place.

    All randomness of an epoch comes from (seed, epoch), that of layers that drop something as well,
    for which torch's own generator is seeded. Under torch.distributed every process calls this with
    the same arguments and takes its share of each batch; the losses are of whole batches, and all
    processes end with the same model.

    Parameters
    ----------
    model
        Moved to `device`. Its parameters' dtype is the training's.
    data
        Images, pseudo-labels and agreement.
    settings
        Losses, batches, optimizer and augmentation.
    epoch
        Zero-based number of the epoch: it decides lr and which refinements act.
    start
        What the epoch before left.
    device
        Where the model is trained.

    Raises
    ------
    ClusteringError
        There are fewer than two clusters, or too few for so many processes.
    SettingError
        The camera loss is asked for and the clustered images are not of two cameras, or the
        processes cannot share a batch.
    DataError
        A loss, gradient or parameter is no finite number.
    """
    check_clusters(data.pseudo_labels)
    if settings.camera_aware:
        check_cameras(data.camids[data.pseudo_labels >= 0], of="clustered images")
    check_world(settings.batch_size, settings.samples_per_bn, num_processes=world_size())
    batch_seed, augment_seed, drop_seed = np.random.SeedSequence((settings.seed, epoch)).spawn(3)
    torch.manual_seed(int(drop_seed.generate_state(1)[0]) + rank())
    batches = _deal_batches(data, settings, seed=batch_seed)  # (iterations,B)
    dealt = shares(batches.shape[1])
    counts = [share.stop - share.start for share in dealt]
    check_shares(counts)
    model.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    trainer = _Trainer(model, data, settings, epoch=epoch, start=start, device=device)
    images = augmented_batches(
        data.images,
        batches,
        dealt[rank()],
        Augmentation(settings.pad, settings.erase_probability, mean=model.backbone.mean),
        generator=torch.Generator().manual_seed(int(augment_seed.generate_state(1)[0])),
    )
    totals: dict[str, float] = {}
    begin = time.perf_counter()
    what = f"training epoch {epoch:02d}"
    for iteration, own in enumerate(track(images, total=len(images), what=what)):
        values = trainer.step(iteration, own, counts, batches[iteration])
        totals = {name: totals.get(name, 0.0) + value for name, value in values.items()}
    seconds = time.perf_counter() - begin
    average_buffers(model)
    return EpochResult(
        optimizer=optimizer_state(model, trainer.optimizer),
        teacher=trainer.teacher.state() if trainer.teacher is not None else None,
        classifiers=trainer.learner.classifiers.detach(),
        refined=trainer.refined,
        losses={name: total / len(batches) for name, total in totals.items()},
        lr=trainer.lr,
        images_per_second=batches.size / seconds,
        waiting_share=images.seconds_waited / seconds,
    )


class _Trainer:
    """What an epoch's steps share; see `train_epoch` for the parameters."""

    def __init__(
        self,
        model: ReIDModel,
        data: EpochData,
        settings: TrainingSettings,
        *,
        epoch: int,
        start: EpochStart,
        device: str,
    ):
        self.model, self.settings = model, settings
        self.epoch, self.device = epoch, device
        spaces = np.concatenate((data.global_features[:, None], data.part_features), axis=1)
        features = torch.from_numpy(spaces)  # (N,1+P,D)
        labels = torch.from_numpy(data.pseudo_labels).long()
        self.dtype = next(model.parameters()).dtype
        self.targets = self._all_targets(data)
        self.learner = Learner(
            model,
            centroid_classifiers(features, labels).to(device, self.dtype),
            samples_per_bn=settings.samples_per_bn,
            precision=settings.precision,
        )
        self.proxies = None
        if settings.camera_aware:
            proxies = camera_proxies(features, data.pseudo_labels, data.camids)
            self.proxies = proxies.to(device, self.dtype)
        self.teacher = None
        if settings.global_refinement == "mean-teacher":
            self.teacher = MeanTeacher(self.learner, decay=settings.ema_decay, state=start.teacher)
        self.lr = settings.lr * settings.lr_gamma ** (epoch // settings.lr_step)
        self.optimizer = make_optimizer(
            model,
            self.learner.classifiers,
            lr=self.lr,
            weight_decay=settings.weight_decay,
            state=start.optimizer,
        )
        self.refined = RefinedLabels(len(labels))
        self.parallel = _distributed(self.learner) if world_size() > 1 else self.learner

    def step(
        self, iteration: int, own: Tensor, counts: list[int], rows: NDArray[np.int64]
    ) -> dict[str, float]:
        """Return the losses of one iteration, after the optimizer's step.

        Parameters
        ----------
        iteration
            Zero-based number of the iteration in the epoch.
        own
            (b,H,W,3) uint8, this process's images.
        counts
            The number of images of each process.
        rows
            (B,) the rows of the whole batch.
        """
        images = self.model.normalised(own, self.device).to(self.dtype)  # (b,3,H,W)
        embeddings, logits = self.parallel(images, counts)  # (B,1+P,D), (B,1+P,C)
        teacher = None
        if self.teacher is not None and self.epoch >= self.settings.pglr_epoch:
            teacher = self.teacher.global_logits(images, counts)
        predictions, targets = Predictions(embeddings, logits, teacher), self.targets.take(rows)
        refined = refined_labels(predictions, targets, self.settings, epoch=self.epoch)
        terms = epoch_losses(
            predictions, targets, refined, self.settings, epoch=self.epoch, proxies=self.proxies
        )
        self.optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.refined.note(rows, targets.labels, refined)
        values = {name: term.item() for name, term in terms.items()}
        check_finite(values, _norms(self.learner), epoch=self.epoch, iteration=iteration)
        if self.teacher is not None:
            step = self.epoch * self.settings.iterations + iteration
            self.teacher.follow(self.learner, step=step)
        return values

    def _all_targets(self, data: EpochData) -> Targets:
        """Return what is known of all images; it lies on the device for the whole epoch."""

        def moved(values: NDArray[Any]) -> Tensor:
            tensor = torch.from_numpy(values).to(self.device)
            return tensor.to(self.dtype) if tensor.is_floating_point() else tensor.long()

        return Targets(
            labels=moved(data.pseudo_labels),
            agreement=moved(data.agreement),
            label_shares=moved(label_shares(data.agreement, data.pseudo_labels, self.settings)),
            part_agreement=None if data.part_agreement is None else moved(data.part_agreement),
            camids=moved(data.camids),
        )


def _distributed(learner: Learner) -> DistributedDataParallel:
    """Return the learner with its gradients averaged over the processes.

    Each process computes the losses of the whole batch, and `gather_rows` adds up what all of them
    make of an image: the average is the gradient of one process.
    """
    # buffers differ between processes until the epoch's end, where they are averaged
    known = inspect.signature(DistributedDataParallel).parameters
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    options: dict[str, Any] = {name: False}
    return DistributedDataParallel(learner, **options)


def _deal_batches(
    data: EpochData, settings: TrainingSettings, *, seed: np.random.SeedSequence
) -> NDArray[np.int64]:
    """Return the rows (iterations,B) of every batch; say so where clusters are too few."""
    num_clusters = int(data.pseudo_labels.max()) + 1
    wanted = settings.batch_size // settings.num_instances
    if num_clusters < wanted and rank() == 0:
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


def _norms(learner: Learner) -> dict[str, float]:
    """Return the norms of all gradients and of all parameters, NaN or infinite where any is."""
    parameters = list(learner.parameters())
    gradients = [p.grad for p in parameters if p.grad is not None]
    return {
        "gradients": get_total_norm(gradients).item(),
        "parameters": get_total_norm(parameters).item(),
    }
