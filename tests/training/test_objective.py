import numpy as np
import pytest
import torch

from pplr import losses
from pplr.settings.groups import ObjectiveSettings
from pplr.settings.presets import PRESETS
from pplr.training.centroids import CameraProxies, camera_proxies
from pplr.training.objective import (
    Predictions,
    Targets,
    epoch_losses,
    label_shares,
    refined_labels,
)

B, P, C, D = 8, 2, 4, 6
PAPER = PRESETS["market1501"]
SETTINGS = ObjectiveSettings(
    **{**{name: PAPER[name] for name in ObjectiveSettings.model_fields}, "pglr_epoch": 2}
)


def random_batch() -> tuple[Predictions, Targets]:
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(B, 1 + P, D, generator=generator)
    logits = torch.randn(B, 1 + P, C, generator=generator)
    teacher = torch.randn(B, C, generator=generator)
    labels = torch.arange(B) // 2
    agreement = torch.rand(B, P, generator=generator)
    among = torch.rand(B, P, P, generator=generator)
    shares = torch.rand(B, P, generator=generator)
    return (
        Predictions(embeddings, logits, teacher),
        Targets(labels, agreement, shares, among, torch.arange(B) % 3),
    )


@pytest.mark.parametrize(
    ("refinement", "epoch", "part", "whole"),
    [
        (("none", "none"), 9, "cross-entropy", "cross-entropy"),
        (("agreement", "none"), 4, "smoothed", "cross-entropy"),
        (("agreement", "none"), 5, "agreement", "cross-entropy"),
        (("none", "parts"), 1, "cross-entropy", "cross-entropy"),
        (("none", "parts"), 2, "cross-entropy", "parts"),
        (("agreement", "parts"), 5, "agreement", "parts"),
        (("constant", "parts"), 0, "smoothed", "cross-entropy"),
        (("constant", "parts"), 9, "smoothed", "parts"),
        (("parts", "parts"), 4, "smoothed", "parts"),
        (("parts", "parts"), 5, "parts", "parts"),
        (("agreement", "mean-teacher"), 1, "smoothed", "cross-entropy"),
        (("agreement", "mean-teacher"), 5, "agreement", "mean-teacher"),
        (("agreement", "parts-uniform"), 5, "agreement", "parts-uniform"),
        (("balanced", "parts"), 4, "smoothed", "parts"),
        (("balanced", "parts"), 5, "agreement", "parts"),
    ],
)
def test_each_refinement_acts_from_its_epoch_on(
    refinement: tuple[str, str], epoch: int, part: str, whole: str
) -> None:
    predictions, targets = random_batch()
    settings = SETTINGS.model_copy(
        update={"part_refinement": refinement[0], "global_refinement": refinement[1]}
    )
    refined = refined_labels(predictions, targets, settings, epoch=epoch)
    terms = epoch_losses(predictions, targets, refined, settings, epoch=epoch)
    labels, agreement = targets.labels, targets.agreement
    global_logits, part_logits = predictions.logits[:, 0], predictions.logits[:, 1:]
    parts = {
        "cross-entropy": losses.part_cross_entropy(part_logits, labels),
        "smoothed": losses.part_cross_entropy(part_logits, labels, smoothing=0.1),
        "agreement": losses.agreement_aware_label_smoothing(
            part_logits, labels, targets.label_shares
        ),
        "parts": losses.part_to_part_refinement(
            part_logits, labels, targets.part_agreement, beta=0.5
        ),
    }
    uniform = (part_logits.softmax(2).mean(1) + torch.nn.functional.one_hot(labels, C)) / 2
    wholes = {
        "cross-entropy": torch.nn.functional.cross_entropy(global_logits, labels),
        "parts": losses.part_guided_label_refinement(
            global_logits, part_logits, labels, agreement, beta=0.5
        ),
        "parts-uniform": torch.nn.functional.cross_entropy(global_logits, uniform),
        "mean-teacher": torch.nn.functional.cross_entropy(
            global_logits, losses.mean_teacher_labels(predictions.teacher_logits, labels, beta=0.5)
        ),
    }
    for named in (parts, wholes):
        values = sorted(float(value) for value in named.values())
        assert np.diff(values).min() > 1e-3
    assert (refined is None) == (whole == "cross-entropy")
    if refined is not None:
        torch.testing.assert_close(refined.sum(dim=1), torch.ones(B))
        torch.testing.assert_close(  # what is shown is what the global space learns
            torch.nn.functional.cross_entropy(global_logits, refined), terms["global_loss"]
        )
    torch.testing.assert_close(terms["part_loss"], parts[part])
    torch.testing.assert_close(terms["global_loss"], wholes[whole])
    assert terms["triplet_loss"] == losses.softmax_triplet(predictions.embeddings[:, 0], labels)
    assert "camera_loss" not in terms


def random_proxies() -> CameraProxies:
    rng = np.random.default_rng(0)
    features = torch.from_numpy(rng.standard_normal((40, 1 + P, D)).astype(np.float32))
    labels = rng.integers(0, C, 40).astype(np.int32)
    return camera_proxies(features, labels, rng.integers(0, 3, 40).astype(np.int32))


@pytest.mark.parametrize("spaces", ["global", "all"])
def test_the_camera_loss_is_the_global_one_and_the_mean_of_the_parts(spaces: str) -> None:
    predictions, targets = random_batch()
    proxies = random_proxies()
    settings = SETTINGS.model_copy(
        update={"camera_aware": True, "camera_spaces": spaces, "lambda_cam": 0.25}
    )
    terms = epoch_losses(predictions, targets, None, settings, epoch=0, proxies=proxies)
    by_space = [
        losses.inter_camera_contrastive(
            predictions.embeddings[:, space],
            targets.labels,
            targets.camids,
            proxies.features[space],
            proxies.labels,
            proxies.camids,
            temperature=0.07,
            num_hard_negatives=50,
        )
        for space in range(1 + P)
    ]
    expected = by_space[0] + (by_space[1] + by_space[2]) / 2 * (spaces == "all")
    torch.testing.assert_close(terms["camera_loss"], 0.25 * expected)


def test_label_shares() -> None:
    """The paper's are the agreement; balanced ones smooth by `smoothing` in each part's mean."""
    labels = np.array([0, 0, 1, 1, -1], np.int32)
    agreement = np.array([[0.2, 0.9], [0.4, 1.0], [0.0, 1.0], [0.2, 0.5], [1.0, 0.0]], np.float32)
    assert label_shares(agreement, labels, SETTINGS) is agreement
    balanced = SETTINGS.model_copy(update={"part_refinement": "balanced"})  # smoothing 0.1
    found = label_shares(agreement, labels, balanced)
    assert found.dtype == np.float32
    wanted = [[0.9, 14 / 15], [0.925, 1.0], [0.875, 1.0], [0.9, 2 / 3]]
    np.testing.assert_allclose(found[:4], wanted, rtol=1e-6)
    np.testing.assert_allclose(found[:4].mean(axis=0), 0.9, rtol=1e-6)


def test_label_shares_stay_in_0_to_1() -> None:
    balanced = SETTINGS.model_copy(update={"part_refinement": "balanced"})
    labels = np.zeros(20, np.int32)
    agreement = np.ones((20, 2), np.float32)  # the second part agrees everywhere
    agreement[7, 0] = 0
    found = label_shares(agreement, labels, balanced)
    assert found[7, 0] == 0
    assert (np.delete(found[:, 0], 7) == 1).all()
    assert (found[:, 1] == 1).all()
