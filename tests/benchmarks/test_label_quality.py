import numpy as np
import pytest
import torch

from benchmarks.label_quality import (
    agreement_figures,
    majority_identities,
    predict,
    prediction_figures,
    refined_figures,
)
from pplr.network.backbones import make_backbone
from pplr.network.model import ReIDModel, classify
from pplr.network.normalising import to_normalised
from pplr.storage.images import PackedImages
from tests.packing import write_split

# Cluster 0 speaks for identity 7, cluster 1 for identity 9; image 3 is in the wrong one.
PIDS = np.array([7, 7, 7, 9, 9, 9], np.int32)
LABELS = np.array([0, 0, 0, 0, 1, -1], np.int32)
AGREEMENT = np.array([[0.9, 0.1], [0.8, 0.3], [0.2, 0.3], [0.5, 0.2], [0.7, 0.2], [1, 1]], "f4")


def by_name(figures):
    return {(figure.figure, figure.of): figure.value for figure in figures}


def test_a_cluster_speaks_for_most_of_its_images():
    assert majority_identities(LABELS, PIDS).tolist() == [7, 9]


def test_of_equal_numbers_the_lowest_identity():
    pids = np.array([5, 3, 5, 3], np.int32)
    assert majority_identities(np.zeros(4, np.int32), pids).tolist() == [3]


def test_agreement_by_hand():
    figures = by_name(agreement_figures(AGREEMENT, LABELS, PIDS))
    assert figures["right", "pseudo-labels"] == 4 / 5  # the outlier is left out
    # the wrong label has 0.5 in part 1, the right ones 0.9, 0.8, 0.2, 0.7
    assert figures["auc", "part 1"] == 3 / 4
    # 0.2 in part 2, against 0.1, 0.3, 0.3 and an equal 0.2, which counts a half
    assert figures["auc", "part 2"] == pytest.approx(2.5 / 4)
    # means: 0.35 against 0.5, 0.55, 0.25, 0.45
    assert figures["auc", "mean"] == 3 / 4


def test_no_auc_where_all_labels_are_right():
    figures = by_name(agreement_figures(AGREEMENT[:3], LABELS[:3], PIDS[:3]))
    assert figures == {("right", "pseudo-labels"): 1.0}


def test_images_of_unknown_identity_do_not_count():
    labels, pids = np.array([0, 0, 0, 1], np.int32), np.array([-1, 5, 5, -1], np.int32)
    agreement = np.full((4, 2), 0.5, "f4")
    logits = torch.zeros(4, 3, 2)
    logits[:, :, 1] = 1.0  # everything is of cluster 1, which speaks for nobody known
    assert by_name(agreement_figures(agreement, labels, pids))["right", "pseudo-labels"] == 1.0
    assert by_name(prediction_figures(logits, labels, agreement, pids))["right", "global"] == 0.0


def test_refined_labels_by_hand():
    labels = np.array([0, 0, 0, 1, -1], np.int32)
    pids = np.array([7, 7, 9, 9, 9], np.int32)  # image 2 is in the wrong cluster
    classes = np.array([[0, 1, -1], [0, -1, -1], [0, 1, -1], [-1, -1, -1], [-1, -1, -1]], "i4")
    weights = np.array([[0.7, 0.3, 0], [1, 0, 0], [0.6, 0.4, 0], [0, 0, 0], [0, 0, 0]], "f4")
    agreement = np.array([[0.9], [0.5], [0.1], [1.0], [1.0]], "f4")
    figures = by_name(refined_figures(classes, weights, labels, agreement, pids))
    # image 3 was not drawn, image 4 is an outlier
    assert figures["refined", "all"] == pytest.approx((0.7 + 1.0 + 0.4) / 3)
    assert figures["refined", "right"] == pytest.approx(0.85)
    assert figures["refined", "wrong"] == pytest.approx(0.4)
    assert figures["refined right", "all"] == pytest.approx(2 / 3)
    assert figures["refined", "label"] == pytest.approx((0.7 + 1.0 + 0.6) / 3)
    assert figures["refined", "kept"] == pytest.approx(1.0)
    assert figures["decile refined", "1"] == pytest.approx(0.4)
    assert ("decile refined", "2") not in figures  # its one label is right


def test_predictions_by_hand():
    # of two images, one in each cluster; probabilities are those of the logits' exponentials
    probabilities = torch.tensor(
        [
            [[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]],
            [[0.75, 0.25], [0.25, 0.75], [0.25, 0.75]],
        ]
    )  # (2, global and two parts, C)
    labels, pids = np.array([0, 1], np.int32), np.array([7, 9], np.int32)
    agreement = np.array([[0.4, 0.4], [0.9, 0.9]], "f4")  # equal: the parts weigh a half each
    figures = by_name(prediction_figures(probabilities.log(), labels, agreement, pids))
    assert figures["confidence", "global"] == pytest.approx(0.75)
    assert figures["right", "global"] == 0.5
    assert figures["mass", "global"] == pytest.approx((0.75 + 0.25) / 2)
    assert figures["mass", "part 1"] == pytest.approx((0.5 + 0.75) / 2)
    assert figures["entropy", "part 2"] == pytest.approx(0.811278, abs=1e-5)  # in units of log 2
    # the ensemble gives image 0 its cluster with 0.375, image 1 with 0.75
    assert figures["mass", "parts"] == pytest.approx((0.375 + 0.75) / 2)
    assert figures["right", "parts"] == 0.5
    assert figures["decile agreement", "1"] == pytest.approx(0.4)
    assert figures["decile mass", "1"] == pytest.approx(0.375)
    assert figures["decile right", "1"] == 0.0
    assert figures["decile labels", "2"] == 1.0
    assert figures["decile right", "2"] == 1.0


def test_predictions_of_outliers_do_not_count():
    logits = torch.randn(6, 3, 2, generator=torch.Generator().manual_seed(0))
    whole = prediction_figures(logits, LABELS, AGREEMENT, PIDS)
    without = prediction_figures(logits[:5], LABELS[:5], AGREEMENT[:5], PIDS[:5])
    assert [*map(str, whole)] == [*map(str, without)]


def test_logits_are_those_of_the_model_in_evaluation(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 16, 3)).astype(np.uint8)
    write_split(tmp_path / "train", pixels, paths=[str(i) for i in range(5)])
    torch.manual_seed(0)
    model = ReIDModel(make_backbone("demo_resnet", height=32, width=16), 2)
    classifiers = torch.randn(3, 4, 512)
    found = predict(model, classifiers, PackedImages(tmp_path / "train"))
    model.eval()
    with torch.inference_mode():
        expected = classify(model(to_normalised(pixels, "cpu")), classifiers)
    assert found.shape == (5, 3, 4)
    torch.testing.assert_close(found, expected)
