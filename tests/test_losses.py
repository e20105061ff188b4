import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from pplr.losses import (
    agreement_aware_label_smoothing,
    inter_camera_contrastive,
    mean_teacher_labels,
    part_cross_entropy,
    part_guided_label_refinement,
    part_guided_labels,
    part_to_part_refinement,
    softmax_triplet,
)

LOG2, LOG3 = math.log(2), math.log(3)


def random_case(*, B=6, P=3, C=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = partial(torch.randn, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, C, (B,), generator=generator)
    agreement = torch.rand(B, P, generator=generator, dtype=torch.float64)
    return draw(B, C), draw(B, P, C), labels, agreement


def random_cameras(*, cameras=3, seed=0, B=7, C=4, D=5):
    """Return embeddings, labels, camids of a batch, and all proxies of C classes in cameras."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(B, D, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, C, (B,), generator=generator)
    camids = torch.randint(-1, cameras, (B,), generator=generator)
    pairs = torch.cartesian_prod(torch.arange(C), torch.arange(cameras))
    kept = torch.rand(len(pairs), generator=generator) < 0.7
    kept[0] = True
    pairs = pairs[kept]
    proxies = torch.randn(len(pairs), D, generator=generator, dtype=torch.float64)
    return embeddings, labels, camids, functional.normalize(proxies, dim=1), *pairs.T


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


def slow_part_to_part(part_logits, labels, among, beta):
    B, P, C = len(part_logits), len(part_logits[0]), len(part_logits[0][0])
    total = 0.0
    for i in range(B):
        parts = [probabilities(part_logits[i][n]) for n in range(P)]
        for n in range(P):
            others = [m for m in range(P) if m != n]
            weights = probabilities([among[i][n][m] for m in others])
            for c in range(C):
                target = beta * (c == labels[i])
                target += (1 - beta) * sum(
                    w * parts[m][c] for w, m in zip(weights, others, strict=True)
                )
                total -= target * math.log(parts[n][c])
    return total / (B * P)


def slow_camera(embeddings, labels, camids, proxies, proxy_labels, proxy_camids, tau, hard):
    total = 0.0
    for f, label, camid in zip(embeddings, labels, camids, strict=True):
        norm = math.sqrt(sum(x * x for x in f))
        scores = [sum(a * b for a, b in zip(f, c, strict=True)) / norm / tau for c in proxies]
        rows = range(len(proxies))
        positives = [j for j in rows if proxy_labels[j] == label and proxy_camids[j] != camid]
        if not positives:
            continue
        others = sorted((scores[j] for j in rows if proxy_labels[j] != label), reverse=True)[:hard]
        candidates = [scores[j] for j in positives] + others
        log_sum = math.log(sum(math.exp(x) for x in candidates))
        total -= sum(scores[j] - log_sum for j in positives) / len(positives)
    return total / len(labels)


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


@given(
    B=st.integers(1, 6), P=st.integers(2, 4), C=st.integers(1, 6), seed=st.integers(0, 2**32 - 1)
)
@settings(max_examples=30, deadline=None)
def test_part_to_part_equals_its_slow_twin(B, P, C, seed):
    _, part_logits, labels, _ = random_case(B=B, P=P, C=C, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    among = torch.rand(B, P, P, generator=generator, dtype=torch.float64)
    loss = part_to_part_refinement(part_logits, labels, among, beta=0.3)
    expected = slow_part_to_part(part_logits.tolist(), labels.tolist(), among.tolist(), 0.3)
    assert loss.item() == pytest.approx(expected, abs=1e-12)


@given(hard=st.integers(1, 9), cameras=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_camera_loss_equals_its_slow_twin(hard, cameras, seed):
    case = random_cameras(cameras=cameras, seed=seed)
    loss = inter_camera_contrastive(*case, temperature=0.3, num_hard_negatives=hard)
    expected = slow_camera(*(x.tolist() for x in case), 0.3, hard)
    assert loss.item() == pytest.approx(expected, abs=1e-12)


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
    refined = part_guided_labels(part_logits, torch.tensor([0]), agreement, beta=0.5)
    torch.testing.assert_close(refined, torch.tensor([[25 / 32, 7 / 32]], dtype=torch.float64))


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


# --- the ablations' refinements --------------------------------------------------------------


def mean_teacher_refinement(global_logits, teacher_logits, labels, *, beta):
    """The global loss under `global_refinement: mean-teacher`."""
    refined = mean_teacher_labels(teacher_logits, labels, beta=beta)
    return functional.cross_entropy(global_logits, refined)


def test_mean_teacher_by_hand():
    # Teacher (3/4, 1/4), beta ½, class 1: target (3/8, 5/8); prediction (1/4, 3/4).
    teacher, logits = torch.tensor([[LOG3, 0.0]]), torch.tensor([[0.0, LOG3]])
    loss = mean_teacher_refinement(logits, teacher, torch.tensor([1]), beta=0.5)
    expected = 3 / 8 * math.log(4) + 5 / 8 * math.log(4 / 3)
    assert loss.item() == pytest.approx(expected)


def test_mean_teacher_gets_no_gradient():
    logits = torch.randn(2, 3, requires_grad=True)
    teacher = torch.randn(2, 3, requires_grad=True)
    mean_teacher_refinement(logits, teacher, torch.tensor([0, 2]), beta=0.5).backward()
    assert teacher.grad is None
    assert logits.grad.ne(0).all()


def test_mean_teacher_at_beta_one_is_cross_entropy():
    logits, part_logits, labels, _ = random_case()
    loss = mean_teacher_refinement(logits, part_logits[:, 0], labels, beta=1.0)
    torch.testing.assert_close(loss, functional.cross_entropy(logits, labels))


def test_part_to_part_by_hand():
    # Two parts, each refined by the other: (3/4, 1/4) and (1/2, 1/2), class 0, beta ½.
    part_logits = torch.tensor([[[LOG3, 0.0], [0.0, 0.0]]], dtype=torch.float64)
    among = torch.full((1, 2, 2), 0.3, dtype=torch.float64)
    loss = part_to_part_refinement(part_logits, torch.tensor([0]), among, beta=0.5)
    first = 3 / 4 * math.log(4 / 3) + 1 / 4 * math.log(4)  # target (3/4, 1/4)
    second = LOG2  # a uniform prediction, whatever the target
    assert loss.item() == pytest.approx((first + second) / 2, abs=1e-12)


def test_part_to_part_reads_no_diagonal_and_sends_no_gradient_to_other_parts():
    _, part_logits, labels, _ = random_case()
    among = torch.rand(6, 3, 3, dtype=torch.float64)
    loss = part_to_part_refinement(part_logits, labels, among, beta=0.5)
    changed = among.clone()
    changed[:, range(3), range(3)] = 9.0
    assert loss == part_to_part_refinement(part_logits, labels, changed, beta=0.5)
    # the gradient is that against a fixed target: prediction - target, by part
    parts = part_logits.clone().requires_grad_()
    part_to_part_refinement(parts, labels, among, beta=0.0).backward()
    off = among.masked_fill(torch.eye(3, dtype=torch.bool), -math.inf).softmax(2)
    target = off @ part_logits.softmax(2)
    torch.testing.assert_close(parts.grad, (part_logits.softmax(2) - target) / (6 * 3))


# --- inter_camera_contrastive --------------------------------------------------------------


def test_camera_loss_by_hand():
    # An image of cluster 0 in camera 0 at (1, 0), unnormalised (2, 0); tau ½. Proxies of cluster 0:
    # camera 0 (own, no positive), camera 1 at (1, 0): score 2, camera 2 at (0, 1): score 0.
    # Of cluster 1: (-1, 0): -2 and (0, -1): 0, of which the nearest alone is a negative.
    proxies = torch.tensor([[1.0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]])
    proxy_labels = torch.tensor([0, 0, 0, 1, 1])
    proxy_camids = torch.tensor([0, 1, 2, 0, 1])
    arguments = (proxies, proxy_labels, proxy_camids)
    options = {"temperature": 0.5, "num_hard_negatives": 1}
    image = torch.tensor([[2.0, 0.0]])
    loss = inter_camera_contrastive(
        image, torch.tensor([0]), torch.tensor([0]), *arguments, **options
    )
    log_sum = math.log(math.exp(2) + 1 + 1)
    assert loss.item() == pytest.approx(-((2 - log_sum) + (0 - log_sum)) / 2)
    # a second image, of a cluster without proxies, adds 0 to the sum and 1 to the batch
    both = inter_camera_contrastive(
        image.repeat(2, 1), torch.tensor([0, 7]), torch.tensor([0, 0]), *arguments, **options
    )
    assert both.item() == pytest.approx(loss.item() / 2)


def test_camera_loss_skips_images_without_a_positive():
    # One camera: no image has a proxy in another.
    case = random_cameras(cameras=1)
    embeddings, labels, _, *proxies = case
    embeddings.requires_grad_()
    loss = inter_camera_contrastive(
        embeddings,
        labels,
        torch.zeros(7, dtype=torch.int64),
        *proxies,
        temperature=0.07,
        num_hard_negatives=50,
    )
    assert loss.item() == 0
    loss.backward()
    assert embeddings.grad.eq(0).all()


def test_camera_loss_of_an_unknown_camera_has_every_proxy_of_its_cluster_as_positive():
    embeddings, _, _, *proxies = random_cameras(cameras=3)
    options = {"temperature": 0.2, "num_hard_negatives": 5}
    zeros = torch.zeros(7, dtype=torch.int64)
    proxies = [
        torch.eye(5, dtype=torch.float64),
        torch.tensor([0, 0, 0, 1, 1]),
        torch.tensor([0, 1, 2, 0, 1]),
    ]
    unknown = inter_camera_contrastive(embeddings, zeros, zeros - 1, *proxies, **options)
    other = inter_camera_contrastive(embeddings, zeros, zeros + 9, *proxies, **options)
    assert unknown == other


def test_camera_loss_does_not_see_the_embeddings_length():
    case = random_cameras()
    options = {"temperature": 0.07, "num_hard_negatives": 3}
    longer = (case[0] * 17, *case[1:])
    torch.testing.assert_close(
        inter_camera_contrastive(*longer, **options), inter_camera_contrastive(*case, **options)
    )


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
    among = torch.rand(6, 3, 3, dtype=torch.float64)
    assert check(lambda x: mean_teacher_refinement(x, part_logits[:, 0], labels, beta=0.5), whole)
    embeddings, *cameras = random_cameras()
    options = {"temperature": 0.3, "num_hard_negatives": 2}
    embeddings.requires_grad_()
    assert check(lambda x: inter_camera_contrastive(x, *cameras, **options), embeddings)
    # at beta 1 targets are constants; below, they would move with x in finite differences
    assert check(lambda x: part_to_part_refinement(x, labels, among, beta=1.0), parts)
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
