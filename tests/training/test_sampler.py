import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pplr.training.sampler import pk_batches


def draw(labels, camids=None, *, seed=0, **changed):
    labels = np.asarray(labels, np.int32)
    camids = np.zeros(len(labels)) if camids is None else camids
    options = {"iterations": 20, "batch_size": 8, "num_instances": 2, "across_cameras": True}
    return pk_batches(
        labels,
        np.asarray(camids, np.int32),
        **(options | changed),
        rng=np.random.default_rng(seed),
    )


def test_an_example_by_hand():
    # Two classes of two images each, one outlier: every batch holds all four, classes contiguous.
    batches = draw([1, 0, -1, 1, 0], iterations=50, batch_size=4)
    assert batches.shape == (50, 4)
    assert batches.dtype == np.int64
    seen = {tuple(batch) for batch in batches.tolist()}
    assert seen == {
        (0, 3, 1, 4), (0, 3, 4, 1), (3, 0, 1, 4), (3, 0, 4, 1),
        (1, 4, 0, 3), (1, 4, 3, 0), (4, 1, 0, 3), (4, 1, 3, 0),
    }  # fmt: skip


@st.composite
def epochs(draw_value):
    N = draw_value(st.integers(4, 60))
    labels = draw_value(st.lists(st.integers(-1, 6), min_size=N, max_size=N))
    labels[0] = 0
    camids = draw_value(st.lists(st.integers(-1, 3), min_size=N, max_size=N))
    present = sorted(set(labels) - {-1})
    labels = [present.index(label) if label >= 0 else -1 for label in labels]
    return np.array(labels), np.array(camids)


@given(
    epoch=epochs(),
    classes=st.integers(1, 8),
    num_instances=st.integers(1, 5),
    across_cameras=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(max_examples=150, deadline=None)
def test_the_laws_of_a_batch(epoch, classes, num_instances, across_cameras, seed):
    labels, camids = epoch
    batches = draw(
        labels,
        camids,
        seed=seed,
        batch_size=classes * num_instances,
        num_instances=num_instances,
        across_cameras=across_cameras,
        iterations=7,
    )
    num_classes = labels.max() + 1
    in_batch = min(classes, num_classes)
    assert batches.shape == (7, in_batch * num_instances)
    seen = Counter(dict.fromkeys(range(num_classes), 0))
    for batch in batches:
        groups = batch.reshape(in_batch, num_instances)
        drawn = labels[groups]
        assert (drawn == drawn[:, :1]).all()  # images of a class side by side
        assert (drawn >= 0).all()
        assert len(set(drawn[:, 0])) == in_batch
        seen.update(drawn[:, 0].tolist())
        for group, label in zip(groups, drawn[:, 0], strict=True):
            size = (labels == label).sum()
            uses = Counter(group.tolist())
            assert len(uses) == min(size, num_instances)
            assert max(uses.values()) - min(uses.values()) <= 1
            if across_cameras:
                check_cameras(group[: len(uses)], labels == label, camids)
        assert max(seen.values()) - min(seen.values()) <= 1  # at any moment


def check_cameras(group, members, camids):
    """Slow twin of the camera rule: no camera comes again while another has an image left."""
    left = Counter(camids[members & (camids >= 0)].tolist())
    unknown = int((members & (camids < 0)).sum())
    used = Counter()
    for row in group:
        camera = camids[row]
        if camera < 0:
            unknown -= 1
            continue
        fewest = min((used[c] for c in left if left[c]), default=0)
        assert used[camera] == fewest
        assert used[camera] == 0 or unknown == 0
        used[camera] += 1
        left[camera] -= 1


def test_outliers_are_never_drawn():
    labels = np.array([-1, 0, 0, -1, 1, 1, -1, 2, 2])
    assert set(draw(labels, batch_size=4).ravel().tolist()) == {1, 2, 4, 5, 7, 8}


def test_few_classes_make_a_shorter_batch():
    assert draw([0, 0, 1, 1, 1], batch_size=64, num_instances=4).shape == (20, 8)


def test_a_small_class_goes_round_again():
    batch = draw([0, 0, 0, 1], batch_size=16, num_instances=8, iterations=1)[0]
    assert sorted(Counter(batch.tolist()).items()) in (
        [(0, 2), (1, 3), (2, 3), (3, 8)],
        [(0, 3), (1, 2), (2, 3), (3, 8)],
        [(0, 3), (1, 3), (2, 2), (3, 8)],
    )


def test_images_come_from_as_many_cameras_as_there_are():
    # Camera 0 has 20 images, cameras 1, 2 and 3 one each: rows 20, 21, 22 are in every batch.
    labels = np.array([0] * 23 + [1] * 4)
    camids = np.array([0] * 20 + [1, 2, 3] + [0, 0, 1, 1])
    batches = draw(labels, camids, iterations=200, num_instances=4)
    of_class_0 = [batch[labels[batch] == 0] for batch in batches]
    assert all(sorted(camids[group]) == [0, 1, 2, 3] for group in of_class_0)
    of_class_1 = [batch[labels[batch] == 1] for batch in batches]
    assert all(sorted(group.tolist()) == [23, 24, 25, 26] for group in of_class_1)
    assert all(camids[group[0]] != camids[group[1]] for group in of_class_1)


def test_without_regard_to_cameras_all_images_are_drawn_alike():
    labels = np.array([0] * 12 + [1] * 12)
    camids = np.array(([0] * 11 + [1]) * 2)
    batches = draw(labels, camids, iterations=3000, num_instances=4, across_cameras=False)
    share = np.bincount(batches.ravel(), minlength=24) / 3000
    assert np.abs(share - 4 / 12).max() < 0.04  # 4.6 standard deviations


def test_the_first_image_is_any_of_the_class_alike():
    labels = np.array([0] * 5 + [1] * 5)
    camids = np.array([0, 0, 0, 0, 1] * 2)
    batches = draw(labels, camids, iterations=3000, num_instances=2, batch_size=4)
    share = np.bincount(batches[:, ::2].ravel(), minlength=10) / 3000
    assert np.abs(share - 1 / 5).max() < 0.035


def test_unknown_cameras_count_as_different_ones():
    labels = np.array([0] * 4 + [1] * 4)
    camids = np.array([0, 0, 0, -1] + [-1] * 4)
    for batch in draw(labels, camids, iterations=50, batch_size=4):
        group = batch[labels[batch] == 0]
        assert 3 in group.tolist()


def test_all_outliers_but_one_class():
    assert set(draw([-1, 0, -1], num_instances=4, iterations=1).ravel().tolist()) == {1}


def test_no_iterations_give_no_batches():
    assert draw([0, 0, 1, 1], batch_size=4, iterations=0).shape == (0, 4)


def test_the_seed_decides():
    labels = np.arange(60) % 13
    assert np.array_equal(draw(labels, seed=1), draw(labels, seed=1))
    assert not np.array_equal(draw(labels, seed=1), draw(labels, seed=2))


def test_inputs_are_left_unchanged():
    labels = np.array([0, -1, 1, 0, 1], np.int32)
    camids = np.array([0, 1, -1, 1, 0], np.int32)
    copies = labels.copy(), camids.copy()
    draw(labels, camids)
    assert np.array_equal(labels, copies[0])
    assert np.array_equal(camids, copies[1])


@pytest.mark.parametrize("across_cameras", [True, False])
def test_a_batch_of_market_size_costs_what_one_of_a_tenth_costs(across_cameras):
    rng = np.random.default_rng(0)
    seconds = {1_300: [], 13_000: []}
    for _ in range(3):
        for N, taken in seconds.items():
            labels = rng.integers(-1, N // 22, N)  # classes of 22 images
            camids = rng.integers(0, 6, N)
            options = {"batch_size": 64, "num_instances": 4, "across_cameras": across_cameras}
            start = time.process_time()
            draw(labels, camids, iterations=400, **options)
            taken.append(time.process_time() - start)
    small, large = map(min, seconds.values())
    assert large < 4 * small  # in proportion to N it were ten times
