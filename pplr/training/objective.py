"""The training objective: which losses the settings ask for, on a batch's predictions."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pplr import losses
from pplr.settings.groups import ObjectiveSettings
from pplr.training.centroids import CameraProxies


@dataclass(frozen=True, eq=False)
class Predictions:
    """What the model makes of a batch; B images, S = 1+P spaces, the global one first.

    Parameters
    ----------
    embeddings
        (B,S,D) from the BNNecks, unnormalised.
    logits
        (B,S,C).
    teacher_logits
        (B,C) of the global space, by the mean teacher; None unless it refines the labels.
    """

    embeddings: Tensor
    logits: Tensor
    teacher_logits: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Targets:
    """What is known of a batch's images, or of all.

    Parameters
    ----------
    labels
        (B,) int64 pseudo-labels.
    agreement
        (B,P) in [0,1], Eq. 6.
    label_shares
        (B,P) in [0,1], of `label_shares`.
    part_agreement
        (B,P,P) in [0,1]; None unless parts refine parts.
    camids
        (B,) int64, -1 unknown.
    """

    labels: Tensor
    agreement: Tensor
    label_shares: Tensor
    part_agreement: Tensor | None
    camids: Tensor

    def take(self, rows: NDArray[np.int64]) -> "Targets":
        """Return what is known of the images `rows`."""
        index = torch.from_numpy(rows).to(self.labels.device)
        return Targets(
            labels=self.labels[index],
            agreement=self.agreement[index],
            label_shares=self.label_shares[index],
            part_agreement=None if self.part_agreement is None else self.part_agreement[index],
            camids=self.camids[index],
        )


def label_shares(
    agreement: NDArray[np.float32], pseudo_labels: NDArray[np.int32], settings: ObjectiveSettings
) -> NDArray[np.float32]:
    """Return the pseudo-label's share (N,P) in the label of each part, Eq. 8; the rest is uniform.

    The paper's share is the agreement. Under `part_refinement: balanced` the agreement only deals
    out what is smoothed: 1 - share is in proportion to 1 - agreement, and its mean over the
    clustered images is `smoothing` in every part, however low the agreement is as a whole; less
    only where an image would be smoothed beyond uniform.

    Parameters
    ----------
    agreement
        (N,P) in [0,1], Eq. 6.
    pseudo_labels
        (N,) int32, -1 for outliers.
    settings
        `part_refinement` and `smoothing`.
    """
    if settings.part_refinement != "balanced":
        return agreement
    doubt = 1 - agreement
    mean = doubt[pseudo_labels >= 0].mean(axis=0)  # (P,)
    balanced = settings.smoothing * doubt / np.maximum(mean, np.finfo(np.float32).tiny)
    return np.asarray(1 - np.minimum(balanced, 1), np.float32)


def epoch_losses(
    predictions: Predictions,
    targets: Targets,
    refined: Tensor | None,
    settings: ObjectiveSettings,
    *,
    epoch: int,
    proxies: CameraProxies | None = None,
) -> dict[str, Tensor]:
    """Return the summands of the objective by name, Eq. 5 and 11.

    Parameters
    ----------
    predictions, targets
        Of one batch.
    refined
        What `refined_labels` says of it.
    settings
        Which losses act, from which epoch on.
    epoch
        Zero-based number of the epoch.
    proxies
        The camera-aware proxies; None without the camera loss.

    Returns
    -------
    dict
        `part_loss`, `global_loss`, `triplet_loss` and, with proxies, `camera_loss`, which is
        multiplied by λ_cam already.
    """
    terms = {
        "part_loss": _part_loss(predictions, targets, settings, epoch),
        "global_loss": _global_loss(predictions, targets, refined),
        "triplet_loss": losses.softmax_triplet(predictions.embeddings[:, 0], targets.labels),
    }
    if proxies is not None:
        camera = _camera_loss(predictions.embeddings, targets, proxies, settings)
        terms["camera_loss"] = settings.lambda_cam * camera
    return terms


def refined_labels(
    predictions: Predictions, targets: Targets, settings: ObjectiveSettings, *, epoch: int
) -> Tensor | None:
    """Return the labels (B,C) that the global space learns under `global_refinement`.

    None before `pglr_epoch`, and where nothing refines them: it learns the pseudo-labels.
    """
    labels, refinement = targets.labels, settings.global_refinement
    if refinement == "none" or epoch < settings.pglr_epoch:
        return None
    if refinement == "mean-teacher":
        assert predictions.teacher_logits is not None
        return losses.mean_teacher_labels(predictions.teacher_logits, labels, beta=settings.beta)
    assert refinement in ("parts", "parts-uniform"), "each choice of the setting has its branch"
    # equal agreements weigh every part 1/P
    uniform = refinement == "parts-uniform"
    agreement = torch.zeros_like(targets.agreement) if uniform else targets.agreement
    part_logits = predictions.logits[:, 1:]
    return losses.part_guided_labels(part_logits, labels, agreement, beta=settings.beta)


def _part_loss(
    predictions: Predictions, targets: Targets, settings: ObjectiveSettings, epoch: int
) -> Tensor:
    """Return the loss of the parts under `part_refinement`."""
    part_logits, refinement = predictions.logits[:, 1:], settings.part_refinement
    if refinement == "none":
        return losses.part_cross_entropy(part_logits, targets.labels)
    if refinement == "constant" or epoch < settings.aals_epoch:
        smoothing = settings.smoothing
        return losses.part_cross_entropy(part_logits, targets.labels, smoothing=smoothing)
    if refinement == "parts":
        assert targets.part_agreement is not None, "compute-agreement has made it"
        return losses.part_to_part_refinement(
            part_logits, targets.labels, targets.part_agreement, beta=settings.beta
        )
    assert refinement in ("agreement", "balanced"), "each choice of the setting has its branch"
    return losses.agreement_aware_label_smoothing(part_logits, targets.labels, targets.label_shares)


def _global_loss(predictions: Predictions, targets: Targets, refined: Tensor | None) -> Tensor:
    """Return the classification loss of the global space."""
    global_logits = predictions.logits[:, 0]
    if refined is None:
        return functional.cross_entropy(global_logits, targets.labels)
    return losses.soft_cross_entropy(global_logits, refined)


def _camera_loss(
    embeddings: Tensor, targets: Targets, proxies: CameraProxies, settings: ObjectiveSettings
) -> Tensor:
    """Return Eq. 4 on the global space; on `all` spaces, plus the parts' mean of it.

    The paper writes it for the global space; the original system has it on the parts as well.
    """
    num_spaces = embeddings.shape[1] if settings.camera_spaces == "all" else 1
    whole, *parts = (
        losses.inter_camera_contrastive(
            embeddings[:, space],
            targets.labels,
            targets.camids,
            proxies.features[space],
            proxies.labels,
            proxies.camids,
            temperature=settings.temperature,
            num_hard_negatives=settings.num_hard_negatives,
        )
        for space in range(num_spaces)
    )
    return whole + torch.stack(parts).mean() if parts else whole
