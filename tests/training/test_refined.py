"""What is kept of refined labels."""

import numpy as np
import torch

from pplr.training.refined import RefinedLabels


def test_by_hand() -> None:
    refined = RefinedLabels(4)
    labels = torch.tensor([[0.1, 0.2, 0.0, 0.7], [0.0, 0.5, 0.5, 0.0]])
    refined.note(np.array([2, 0]), torch.tensor([3, 1]), labels)
    np.testing.assert_array_equal(refined.classes[[1, 3]], -1)
    np.testing.assert_array_equal(refined.weights[[1, 3]], 0)
    assert refined.classes[2].tolist() == [3, 1, 0]
    np.testing.assert_allclose(refined.weights[2], [0.7, 0.2, 0.1])
    assert sorted(refined.classes[0].tolist()) == [-1, 1, 2]  # the third has no weight
    np.testing.assert_allclose(refined.weights[0], [0.5, 0.5, 0])
    refined.note(np.array([2]), torch.tensor([2]), None)  # the last one counts; unrefined
    assert refined.classes[2].tolist() == [2, -1, -1]
    assert refined.weights[2].tolist() == [1, 0, 0]


def test_two_classes_leave_the_third_place_empty() -> None:
    refined = RefinedLabels(1)
    refined.note(np.array([0]), torch.tensor([1]), torch.tensor([[0.25, 0.75]]))
    assert refined.classes.tolist() == [[1, 0, -1]]
    assert refined.weights.tolist() == [[0.75, 0.25, 0]]
