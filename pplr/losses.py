"""The losses of the paper and of its ablations (Tables 1 and 2)."""

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
    refined = part_guided_labels(part_logits, labels, agreement, beta=beta)
    return soft_cross_entropy(global_logits, refined)


@torch.no_grad()
def part_guided_labels(
    part_logits: Tensor, labels: Tensor, agreement: Tensor, *, beta: float
) -> Tensor:
    """Return the labels (B, C) refined by the parts' predictions, Eq. 9; rows sum to 1.

    Parameters
    ----------
    part_logits, labels, agreement, beta
        As of `part_guided_label_refinement`.
    """
    weights = agreement.softmax(dim=1).unsqueeze(2)  # (B, P) -> (B, P, 1)
    ensemble = (weights * part_logits.softmax(dim=2)).sum(dim=1)  # (B, P, C) -> (B, C)
    return _refined(labels, ensemble, beta=beta)


@torch.no_grad()
def mean_teacher_labels(teacher_logits: Tensor, labels: Tensor, *, beta: float) -> Tensor:
    """Return the labels (B, C) refined by a mean teacher's prediction, Sec. 4.2; rows sum to 1.

    The teacher (Tarvainen and Valpola, NeurIPS 2017) is the exponential moving average of the
    model; its global prediction stands in the place of the parts' in Eq. 9.

    Parameters
    ----------
    teacher_logits
        (B, C) float class scores of the whole image, by the average of the model.
    labels
        (B,) int64 pseudo-labels in 0…C-1.
    beta
        β in [0, 1], the share of the pseudo-label; 1 leaves the labels as they are.
    """
    return _refined(labels, teacher_logits.softmax(dim=1), beta=beta)


def part_to_part_refinement(
    part_logits: Tensor, labels: Tensor, part_agreement: Tensor, *, beta: float
) -> Tensor:
    """Return the parts' loss against labels refined by the other parts' predictions, Sec. 4.2.

    As Eq. 9 and 10, with the part in the place of the whole. Refined labels are targets only: a
    part gets no gradient through another's.

    Parameters
    ----------
    part_logits
        (B, P, C) float, one row of class scores per image and part; P ≥ 2.
    labels
        (B,) int64 pseudo-labels in 0…C-1.
    part_agreement
        (B, P, P) float agreement of parts with each other in [0, 1]; a row's softmax over the other
        parts weighs them. The diagonal is not read.
    beta
        β in [0, 1], the share of the pseudo-label; 1 is plain cross-entropy.

    Returns
    -------
    Tensor
        Scalar, mean over batch and parts.
    """
    with torch.no_grad():
        itself = torch.eye(part_logits.shape[1], dtype=torch.bool, device=part_logits.device)
        weights = part_agreement.masked_fill(itself, -math.inf).softmax(dim=2)  # (B, P, P)
        others = weights @ part_logits.softmax(dim=2)  # (B, P, C)
    repeated = labels[:, None].expand(part_logits.shape[:2])  # (B,) -> (B, P)
    return soft_cross_entropy(part_logits, _refined(repeated, others, beta=beta))


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross-entropy of (…, C) logits against (…, C) distributions over classes."""
    return -(targets * logits.log_softmax(dim=-1)).sum(dim=-1).mean()


def _refined(labels: Tensor, predictions: Tensor, *, beta: float) -> Tensor:
    """Return β·labels + (1-β)·predictions, (…, C)."""
    one_hot = functional.one_hot(labels, predictions.shape[-1]).to(predictions.dtype)
    return beta * one_hot + (1 - beta) * predictions


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


def inter_camera_contrastive(
    embeddings: Tensor,
    labels: Tensor,
    camids: Tensor,
    proxies: Tensor,
    proxy_labels: Tensor,
    proxy_camids: Tensor,
    *,
    temperature: float,
    num_hard_negatives: int,
) -> Tensor:
    """Return the inter-camera contrastive loss, Eq. 4 (Wang et al., AAAI 2021).

    An image is pulled to the proxies of its cluster in other cameras and pushed from the nearest
    proxies of other clusters, whatever their camera.

    Parameters
    ----------
    embeddings
        (B, D) float; normalised here.
    labels
        (B,) int64 pseudo-labels.
    camids
        (B,) int64, -1 for an unknown camera, which equals none.
    proxies
        (M, D) float, normalised centroids of a cluster's images of one camera; constants.
    proxy_labels, proxy_camids
        (M,) int64, cluster and camera of each proxy.
    temperature
        τ > 0.
    num_hard_negatives
        How many proxies of other clusters are negatives; all, where there are fewer.

    Returns
    -------
    Tensor
        Scalar, batch mean. An image without a positive proxy adds 0.
    """
    scores = functional.normalize(embeddings, dim=1) @ proxies.T / temperature  # (B, M)
    own = labels[:, None] == proxy_labels[None, :]  # (B, M)
    positive = own & (camids[:, None] != proxy_camids[None, :])
    hardest = min(num_hard_negatives, scores.shape[1])
    # where other clusters have fewer proxies than that, the rest of them is at -inf and counts 0
    negatives = scores.masked_fill(own, -math.inf).topk(hardest, dim=1).values
    candidates = torch.cat((scores.masked_fill(~positive, -math.inf), negatives), dim=1)
    # An image without positives: keep its sum finite, for 0 · inf would be no number.
    num_positives = positive.sum(dim=1)  # (B,)
    pulled = num_positives > 0
    log_sum = candidates[pulled].logsumexp(dim=1, keepdim=True)
    log_share = (scores[pulled] - log_sum) * positive[pulled]
    return -(log_share.sum(dim=1) / num_positives[pulled]).sum() / len(embeddings)
