"""The losses of the paper: label refinement for parts and whole, and the softmax-triplet loss."""

import math

import torch
from torch import Tensor
from torch.nn import functional


def part_cross_entropy(part_logits: Tensor, labels: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Return the cross-entropy of the parts' predictions, Eq. 2.

    Parameters
    ----------
    part_logits
        (B, P, C) float, one row of class scores per image and part.
    labels
        (B,) int64 pseudo-labels in 0…C-1; all parts of an image share its label.
    smoothing
        ε in [0, 1]: the target is (1-ε)·y + ε/C. 0 is plain cross-entropy.

    Returns
    -------
    Tensor
        Scalar, mean over batch and parts.
    """
    num_parts = part_logits.shape[1]
    return functional.cross_entropy(
        part_logits.flatten(0, 1),  # (B, P, C) -> (B·P, C)
        labels.repeat_interleave(num_parts),  # (B,) -> (B·P,)
        label_smoothing=smoothing,
    )


def agreement_aware_label_smoothing(
    part_logits: Tensor, labels: Tensor, agreement: Tensor
) -> Tensor:
    """Return the parts' loss, each part smoothed by how far it agrees with the whole, Eq. 8.

    A part is pulled to its pseudo-label by its agreement α, H(y, q), and to the uniform
    distribution u by 1-α, KL(u‖q).

    Parameters
    ----------
    part_logits
        (B, P, C) float, one row of class scores per image and part.
    labels
        (B,) int64 pseudo-labels in 0…C-1; all parts of an image share its label.
    agreement
        (B, P) float cross agreement in [0, 1], Eq. 6.

    Returns
    -------
    Tensor
        Scalar, mean over batch and parts.
    """
    num_parts, num_classes = part_logits.shape[1:]
    log_q = part_logits.log_softmax(dim=2)
    index = labels[:, None, None].expand(-1, num_parts, 1)
    cross_entropy = -log_q.gather(2, index).squeeze(2)  # (B, P)
    # KL(u‖q) = Σ 1/C · (log 1/C - log q); written out, it stays finite where q underflows.
    divergence = -log_q.mean(dim=2) - math.log(num_classes)  # (B, P, C) -> (B, P)
    return (agreement * cross_entropy + (1 - agreement) * divergence).mean()


def part_guided_label_refinement(
    global_logits: Tensor, part_logits: Tensor, labels: Tensor, agreement: Tensor, *, beta: float
) -> Tensor:
    """Return the global loss against labels refined by the parts' predictions, Eq. 9 and 10.

    The refined label is a target only: no gradient reaches the parts through it.

    Parameters
    ----------
    global_logits
        (B, C) float class scores of the whole image.
    part_logits
        (B, P, C) float, one row of class scores per image and part.
    labels
        (B,) int64 pseudo-labels in 0…C-1.
    agreement
        (B, P) float cross agreement in [0, 1]; its softmax over the parts weighs them.
    beta
        β in [0, 1], the share of the pseudo-label; 1 is plain cross-entropy.

    Returns
    -------
    Tensor
        Scalar, batch mean.
    """
    with torch.no_grad():
        weights = agreement.softmax(dim=1).unsqueeze(2)  # (B, P) -> (B, P, 1)
        ensemble = (weights * part_logits.softmax(dim=2)).sum(dim=1)  # (B, P, C) -> (B, C)
        one_hot = functional.one_hot(labels, global_logits.shape[1]).to(ensemble.dtype)
        refined = beta * one_hot + (1 - beta) * ensemble
    return -(refined * global_logits.log_softmax(dim=1)).sum(dim=1).mean()


def softmax_triplet(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Return the softmax-triplet loss with the hardest pairs in the batch, Eq. 3.

    -log(e^dₙ / (e^dₚ + e^dₙ)) = softplus(dₚ - dₙ), with dₚ the Euclidean distance to the farthest
    image of the same class and dₙ to the nearest of another. An image whose class has no other
    image in the batch is its own positive, at distance 0.

    Parameters
    ----------
    embeddings
        (B, D) float, not normalised.
    labels
        (B,) int64 pseudo-labels; at least two different ones.

    Returns
    -------
    Tensor
        Scalar, batch mean. The gradient is finite where two embeddings are equal, too.
    """
    same = labels[:, None] == labels[None, :]  # (B, B)
    assert not same.all(dim=1).any(), "the sampler puts at least two classes in a batch"
    # Not by matrix product: |a|² + |b|² - 2ab loses small distances between long vectors.
    distances = torch.cdist(
        embeddings, embeddings, compute_mode="donot_use_mm_for_euclid_dist"
    )  # (B, B); its gradient at distance 0 is 0
    positive = distances.masked_fill(~same, -math.inf).max(dim=1).values
    negative = distances.masked_fill(same, math.inf).min(dim=1).values
    return functional.softplus(positive - negative).mean()
