import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from pplr.losses import (
    agreement_aware_label_smoothing,
    part_cross_entropy,
    part_guided_label_refinement,
    softmax_triplet,
)

LOG2, LOG3 = math.log(2), math.log(3)


def random_case(*, B=6, P=3, C=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = partial(torch.randn, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, C, (B,), generator=generator)
    agreement = torch.rand(B, P, generator=generator, dtype=torch.float64)
    return draw(B, C), draw(B, P, C), labels, agreement


# --- slow twins: the equations in plain Python -----------------------------------------------


def probabilities(logits):
    exponentials = [math.exp(x) for x in logits]
    return [x / sum(exponentials) for x in exponentials]


def slow_aals(part_logits, labels, agreement):
    B, P, C = len(part_logits), len(part_logits[0]), len(part_logits[0][0])
    total = 0.0
    for i in range(B):
        for n in range(P):
            q = probabilities(part_logits[i][n])
            alpha = agreement[i][n]
            cross_entropy = -math.log(q[labels[i]])
            divergence = sum(1 / C * math.log(1 / C / q[c]) for c in range(C))
            total += alpha * cross_entropy + (1 - alpha) * divergence
    return total / (B * P)


def slow_pglr(global_logits, part_logits, labels, agreement, beta):
    B, P, C = len(part_logits), len(part_logits[0]), len(part_logits[0][0])
    total = 0.0
    for i in range(B):
        weights = probabilities(agreement[i])
        parts = [probabilities(part_logits[i][n]) for n in range(P)]
        q = probabilities(global_logits[i])
        for c in range(C):
            target = beta * (c == labels[i])
            target += (1 - beta) * sum(weights[n] * parts[n][c] for n in range(P))
            total -= target * math.log(q[c])
    return total / B


def slow_triplet(embeddings, labels):
    B = len(labels)
    total = 0.0
    for i in range(B):
        distances = [math.dist(embeddings[i], embeddings[j]) for j in range(B)]
        positive = max(distances[j] for j in range(B) if labels[j] == labels[i])
        negative = min(distances[j] for j in range(B) if labels[j] != labels[i])
        total -= math.log(math.exp(negative) / (math.exp(positive) + math.exp(negative)))
    return total / B


@given(
    B=st.integers(1, 6), P=st.integers(1, 4), C=st.integers(1, 6), seed=st.integers(0, 2**32 - 1)
)
@settings(max_examples=30, deadline=None)
def test_refinements_equal_their_slow_twins(B, P, C, seed):
    global_logits, part_logits, labels, agreement = random_case(B=B, P=P, C=C, seed=seed)
    aals = agreement_aware_label_smoothing(part_logits, labels, agreement)
    pglr = part_guided_label_refinement(global_logits, part_logits, labels, agreement, beta=0.3)
    lists = part_logits.tolist(), labels.tolist(), agreement.tolist()
    assert aals.item() == pytest.approx(slow_aals(*lists), abs=1e-12)
    assert pglr.item() == pytest.approx(slow_pglr(global_logits.tolist(), *lists, 0.3), abs=1e-12)


@given(seed=st.integers(0, 2**32 - 1), num_classes=st.integers(2, 5))
@settings(max_examples=30, deadline=None)
def test_triplet_equals_its_slow_twin(seed, num_classes):
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(9, 4, generator=generator, dtype=torch.float64)
    labels = torch.arange(9) % num_classes
    expected = slow_triplet(embeddings.tolist(), labels.tolist())
    assert softmax_triplet(embeddings, labels).item() == pytest.approx(expected, abs=1e-12)


# --- part_cross_entropy --------------------------------------------------------------------


def test_part_cross_entropy_by_hand():
    # Predictions (3/4, 1/4) and (1/2, 1/2) of one image of class 0.
    part_logits = torch.tensor([[[LOG3, 0.0], [0.0, 0.0]]])
    labels = torch.tensor([0])
    plain = (math.log(4 / 3) + LOG2) / 2
    assert part_cross_entropy(part_logits, labels).item() == pytest.approx(plain)
    # Smoothing 0.1: target (0.95, 0.05).
    smooth = (0.95 * math.log(4 / 3) + 0.05 * math.log(4) + LOG2) / 2
    assert part_cross_entropy(part_logits, labels, smoothing=0.1).item() == pytest.approx(smooth)


def test_part_cross_entropy_gives_each_part_its_images_label():
    _, part_logits, labels, _ = random_case()
    expected = sum(functional.cross_entropy(part_logits[:, n], labels) for n in range(3)) / 3
    torch.testing.assert_close(part_cross_entropy(part_logits, labels), expected)


# --- agreement_aware_label_smoothing -------------------------------------------------------


def test_aals_by_hand():
    # q = (3/4, 1/4), class 0: H = log 4/3; KL(u‖q) = ½ log(½ / ¾) + ½ log(½ / ¼) = ½ log 4/3.
    part_logits = torch.tensor([[[LOG3, 0.0]]], dtype=torch.float64)
    labels = torch.tensor([0])
    for alpha, expected in [(1.0, 0.287682), (0.0, 0.143841), (0.25, 0.179801)]:
        agreement = torch.tensor([[alpha]], dtype=torch.float64)
        loss = agreement_aware_label_smoothing(part_logits, labels, agreement)
        assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_aals_at_full_agreement_is_cross_entropy():
    _, part_logits, labels, agreement = random_case()
    loss = agreement_aware_label_smoothing(part_logits, labels, torch.ones_like(agreement))
    torch.testing.assert_close(loss, part_cross_entropy(part_logits, labels))


def test_aals_without_agreement_is_the_divergence_from_uniform():
    _, part_logits, labels, agreement = random_case()
    loss = agreement_aware_label_smoothing(part_logits, labels, torch.zeros_like(agreement))
    uniform = torch.full_like(part_logits, 1 / part_logits.shape[2])
    log_q = part_logits.log_softmax(2)
    expected = functional.kl_div(log_q.flatten(0, 1), uniform.flatten(0, 1), reduction="batchmean")
    torch.testing.assert_close(loss, expected)


def test_aals_without_agreement_is_zero_where_the_prediction_is_uniform():
    loss = agreement_aware_label_smoothing(
        torch.full((2, 3, 4), 7.0), torch.tensor([0, 3]), torch.zeros(2, 3)
    )
    assert loss.item() == pytest.approx(0, abs=1e-6)


# --- part_guided_label_refinement ----------------------------------------------------------


def test_pglr_by_hand():
    # Part predictions (3/4, 1/4) and (1/2, 1/2); agreements 0 and log 3 weigh them 1/4 and 3/4:
    # ensemble (9/16, 7/16); with beta ½ and class 0 the target is (25/32, 7/32).
    part_logits = torch.tensor([[[LOG3, 0.0], [0.0, 0.0]]], dtype=torch.float64)
    agreement = torch.tensor([[0.0, LOG3]], dtype=torch.float64)
    global_logits = torch.tensor([[0.0, LOG3]], dtype=torch.float64)  # q = (1/4, 3/4)
    loss = part_guided_label_refinement(
        global_logits, part_logits, torch.tensor([0]), agreement, beta=0.5
    )
    expected = 25 / 32 * math.log(4) + 7 / 32 * math.log(4 / 3)
    assert loss.item() == pytest.approx(expected, abs=1e-12)


def test_pglr_at_beta_one_is_cross_entropy():
    global_logits, part_logits, labels, agreement = random_case()
    loss = part_guided_label_refinement(global_logits, part_logits, labels, agreement, beta=1.0)
    torch.testing.assert_close(loss, functional.cross_entropy(global_logits, labels))


def test_pglr_with_equal_agreements_averages_the_parts():
    global_logits, part_logits, labels, agreement = random_case()
    loss = part_guided_label_refinement(
        global_logits, part_logits, labels, torch.full_like(agreement, 0.4), beta=0.0
    )
    expected = functional.cross_entropy(global_logits, part_logits.softmax(2).mean(1))
    torch.testing.assert_close(loss, expected)


def test_pglr_sends_no_gradient_into_the_parts():
    global_logits, part_logits, labels, agreement = random_case()
    for tensor in (global_logits, part_logits, agreement):
        tensor.requires_grad_()
    part_guided_label_refinement(global_logits, part_logits, labels, agreement, beta=0.5).backward()
    assert global_logits.grad is not None
    assert part_logits.grad is None
    assert agreement.grad is None


# --- softmax_triplet -----------------------------------------------------------------------


def test_triplet_by_hand():
    # On a line: class 0 at 0 and 3, class 1 at 4 and 8.
    #   0: farthest own 3, nearest other 4 -> -1      3: 3, 1 -> +2
    #   4: 4, 1 -> +3                                 8: 4, 5 -> -1
    embeddings = torch.tensor([[0.0], [3.0], [4.0], [8.0]], dtype=torch.float64)
    expected = sum(math.log(1 + math.exp(gap)) for gap in (-1, 2, 3, -1)) / 4
    loss = softmax_triplet(embeddings, torch.tensor([0, 0, 1, 1]))
    assert loss.item() == pytest.approx(expected, abs=1e-12)


def test_triplet_of_a_class_with_one_image_has_itself_as_positive():
    embeddings = torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=torch.float64, requires_grad=True)
    loss = softmax_triplet(embeddings, torch.tensor([0, 1]))
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-5)), abs=1e-12)
    loss.backward()
    assert embeddings.grad.isfinite().all()


def test_triplet_gradient_is_finite_where_all_embeddings_are_equal():
    embeddings = torch.ones(4, 3, requires_grad=True)
    loss = softmax_triplet(embeddings, torch.tensor([0, 0, 1, 1]))
    loss.backward()
    assert loss.item() == pytest.approx(LOG2)
    assert embeddings.grad.isfinite().all()


def test_triplet_keeps_small_distances_between_long_vectors():
    # |a|² + |b|² - 2ab in float32 is off by about 1 here.
    embeddings = torch.full((64, 100), 300.0)
    embeddings[:, 0] += torch.arange(64) * 0.125
    labels = torch.arange(64) // 2
    expected = slow_triplet(embeddings.double().tolist(), labels.tolist())
    assert softmax_triplet(embeddings, labels).item() == pytest.approx(expected, rel=1e-5)


def test_triplet_needs_two_classes():
    with pytest.raises(AssertionError, match="two classes"):
        softmax_triplet(torch.randn(4, 2), torch.zeros(4, dtype=torch.int64))


# --- all of them ---------------------------------------------------------------------------


def test_gradients_equal_finite_differences():
    global_logits, part_logits, labels, agreement = random_case()
    parts = part_logits.clone().requires_grad_()
    whole = global_logits.clone().requires_grad_()
    check = torch.autograd.gradcheck
    assert check(lambda x: agreement_aware_label_smoothing(x, labels, agreement), parts)
    assert check(lambda x: part_cross_entropy(x, labels, smoothing=0.1), parts)
    assert check(
        lambda x: part_guided_label_refinement(x, part_logits, labels, agreement, beta=0.5), whole
    )
    assert check(lambda x: softmax_triplet(x, torch.tensor([0, 0, 1, 1, 2, 2])), whole)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_values_stay_finite(dtype):
    global_logits, part_logits, labels, agreement = (
        x.to(dtype) if x.is_floating_point() else x for x in random_case()
    )
    parts = (part_logits.sign() * 1e4).requires_grad_()
    whole = (global_logits.sign() * 1e4).requires_grad_()
    total = (
        part_cross_entropy(parts, labels)
        + agreement_aware_label_smoothing(parts, labels, agreement)
        + part_guided_label_refinement(whole, parts, labels, agreement, beta=0.5)
        + softmax_triplet(whole, torch.tensor([0, 0, 1, 1, 2, 2]))
    )
    total.backward()
    assert total.isfinite()
    assert parts.grad.isfinite().all()
    assert whole.grad.isfinite().all()


def test_a_single_part_and_a_single_class_are_possible():
    global_logits, part_logits, labels, agreement = random_case(B=3, P=1, C=1)
    assert agreement_aware_label_smoothing(part_logits, labels, agreement).item() == 0
    assert (
        part_guided_label_refinement(global_logits, part_logits, labels, agreement, beta=0.5) == 0
    )


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_the_order_of_the_batch_does_not_matter(seed):
    global_logits, part_logits, labels, agreement = random_case(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(6, generator=generator)
    classes = torch.tensor([0, 0, 1, 1, 2, 2])
    for loss, arguments in [
        (agreement_aware_label_smoothing, (part_logits, labels, agreement)),
        (
            partial(part_guided_label_refinement, beta=0.5),
            (global_logits, part_logits, labels, agreement),
        ),
        (softmax_triplet, (global_logits, classes)),
    ]:
        torch.testing.assert_close(loss(*(x[order] for x in arguments)), loss(*arguments))


def test_inputs_are_left_unchanged():
    inputs = random_case()
    copies = [x.clone() for x in inputs]
    global_logits, part_logits, labels, agreement = inputs
    part_cross_entropy(part_logits, labels, smoothing=0.1)
    agreement_aware_label_smoothing(part_logits, labels, agreement)
    part_guided_label_refinement(global_logits, part_logits, labels, agreement, beta=0.5)
    softmax_triplet(global_logits, torch.tensor([0, 0, 1, 1, 2, 2]))
    assert all(torch.equal(x, copy) for x, copy in zip(inputs, copies, strict=True))


def test_the_number_of_threads_does_not_change_a_bit():
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(64, 2048, generator=generator)
    part_logits = torch.randn(64, 3, 700, generator=generator)
    labels = torch.arange(64) // 4
    agreement = torch.rand(64, 3, generator=generator)
    before = torch.get_num_threads()
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        x, parts = embeddings.clone().requires_grad_(), part_logits.clone().requires_grad_()
        loss = softmax_triplet(x, labels)
        loss = loss + agreement_aware_label_smoothing(parts, labels, agreement)
        loss.backward()
        results.append((loss.detach(), x.grad, parts.grad))
    torch.set_num_threads(before)
    assert all(torch.equal(one, two) for one, two in zip(*results, strict=True))
