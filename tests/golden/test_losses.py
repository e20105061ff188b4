"""Every loss and its gradient in float32, on logits and embeddings of 64 images."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pplr import losses
from pplr.training.centroids import camera_proxies
from tests.golden.recorded import assert_near, recorded

RECORDED = recorded("losses")
TENSORS = {name: torch.from_numpy(array) for name, array in RECORDED.items() if array.ndim}
LABELS, AGREEMENT, CAMIDS = (TENSORS[name] for name in ("labels", "agreement", "camids"))
# they were recorded as (B,C,P)
PART_LOGITS = TENSORS["logits_parts"].transpose(1, 2)


def assert_as_recorded(
    loss: Callable[[Tensor], Tensor], inputs: Tensor, name: str, gradient: str
) -> None:
    """Assert that a loss has the recorded value and the recorded gradient."""
    inputs = inputs.clone().requires_grad_()
    value = loss(inputs)
    value.backward()
    assert_near("loss", value.item(), RECORDED[name])
    assert_near("gradient", inputs.grad, RECORDED[gradient])


def test_agreement_aware_label_smoothing() -> None:
    def loss(part_logits: Tensor) -> Tensor:
        return losses.agreement_aware_label_smoothing(
            part_logits.transpose(1, 2), LABELS, AGREEMENT
        )

    assert_as_recorded(loss, TENSORS["logits_parts"], "aals", "aals_grad_parts")


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.5, 1.0])
def test_part_guided_label_refinement(beta: float) -> None:
    def loss(global_logits: Tensor) -> Tensor:
        return losses.part_guided_label_refinement(
            global_logits, PART_LOGITS, LABELS, AGREEMENT, beta=beta
        )

    name = f"pglr_{beta}"
    assert_as_recorded(loss, TENSORS["logits_global"], name, f"{name}_grad_global")


def test_softmax_triplet() -> None:
    def loss(embeddings: Tensor) -> Tensor:
        return losses.softmax_triplet(embeddings, LABELS)

    assert_as_recorded(loss, TENSORS["embeddings"], "triplet", "triplet_grad")


def test_smoothed_cross_entropy() -> None:
    value = losses.part_cross_entropy(PART_LOGITS, LABELS, smoothing=0.1)
    assert_near("loss", value.item(), RECORDED["ce_smooth"])


# Other clusters have 170 proxies and more. With fewer than num_hard_negatives the official code
# counts positives among the negatives, and this one does not.
@pytest.mark.parametrize(("num_hard_negatives", "temperature"), [(50, 0.07), (7, 0.2)])
def test_inter_camera_contrastive(num_hard_negatives: int, temperature: float) -> None:
    features = TENSORS["memory_features"][:, None]  # (N,1,D): one space
    proxies = camera_proxies(features, RECORDED["memory_labels"], RECORDED["memory_camids"])

    def loss(embeddings: Tensor) -> Tensor:
        return losses.inter_camera_contrastive(
            embeddings,
            LABELS,
            CAMIDS,
            proxies.features[0],
            proxies.labels,
            proxies.camids,
            temperature=temperature,
            num_hard_negatives=num_hard_negatives,
        )

    name = f"camera_{num_hard_negatives}_{temperature}"
    assert_as_recorded(loss, TENSORS["embeddings"], name, f"{name}_grad")
