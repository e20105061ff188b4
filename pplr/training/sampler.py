"""Batches of P pseudo-classes × K images each, drawn for a whole epoch at once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

UNKNOWN_CAMERA = -1


class _Members(NamedTuple):
    """The images of one class in order of their cameras."""

    rows: NDArray[np.int64]  # (n,) rows of the table
    cameras: NDArray[np.int64]  # (n,) 0, 1, 2, …, ascending
    places: NDArray[np.int64]  # (n,) 0, 1, 2, … anew within each camera


def pk_batches(
    pseudo_labels: NDArray[np.int32],
    camids: NDArray[np.int32],
    *,
    iterations: int,
    batch_size: int,
    num_instances: int,
    across_cameras: bool,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return the rows of every batch of an epoch, classes side by side.

    Classes are dealt from a shuffled deck, so that at any moment each has been seen equally often
    or once more; a batch never holds a class twice. With fewer classes C than
    P = batch_size / num_instances, a batch is shorter: all C classes × num_instances.

    Parameters
    ----------
    pseudo_labels
        (N,) int32, -1 for images in no class, which are never drawn.
    camids
        (N,) int32 zero-based, -1 unknown: such an image counts as alone in its camera.
    iterations
        Number of batches.
    batch_size
        Images in a batch, a multiple of num_instances.
    num_instances
        K, images of a class in a batch. No image is drawn twice for a batch unless its class has
        fewer than K; then each comes once before any comes again.
    across_cameras
        Whether a class's images are drawn from as many cameras as it has, evenly, rather than
        without regard to cameras.
    rng
        The source of all randomness.

    Returns
    -------
    NDArray[np.int64]
        (iterations, min(P, C)·num_instances) rows; the K images of a class are contiguous.
    """
    assert batch_size % num_instances == 0, "checked with the settings"
    rows = np.arange(len(pseudo_labels))
    # An image alone in its camera is drawn at random: so is every image without across_cameras.
    known = (camids != UNKNOWN_CAMERA) & across_cameras
    cameras = np.where(known, camids, -1 - rows)
    classes = _members_by_class(pseudo_labels, cameras)
    assert classes, "training starts with at least two classes"
    dealt = _deal_classes(len(classes), iterations, batch_size // num_instances, rng)
    batches = np.empty((*dealt.shape, num_instances), np.int64)
    for place, index in np.ndenumerate(dealt):
        batches[place] = _draw_images(classes[index], num_instances, rng)
    # (iterations, P, K) -> (iterations, P·K)
    return batches.reshape(iterations, dealt.shape[1] * num_instances)


def _members_by_class(
    pseudo_labels: NDArray[np.int32], cameras: NDArray[np.int64]
) -> list[_Members]:
    """Return the images of each class, in order of the labels."""
    order = np.lexsort((cameras, pseudo_labels))
    order = order[pseudo_labels[order] >= 0]  # without outliers
    labels, starts = np.unique(pseudo_labels[order], return_index=True)
    classes = []
    for rows in np.split(order, starts[1:])[: len(labels)]:
        _, begins, numbers = np.unique(cameras[rows], return_index=True, return_inverse=True)
        classes.append(_Members(rows, numbers, np.arange(len(rows)) - begins[numbers]))
    return classes


def _deal_classes(
    num_classes: int, iterations: int, classes_per_batch: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the (iterations, min(P, C)) classes of each batch, no class twice in one."""
    size = min(classes_per_batch, num_classes)
    dealt = np.empty((iterations, size), np.int64)
    deck = rng.permutation(num_classes)
    for batch in dealt:
        last = deck[:size]  # what the deck still has
        batch[: len(last)] = last
        deck = deck[size:]
        missing = size - len(last)
        if missing:
            # The next deck begins with classes that this batch does not hold yet.
            shuffled = rng.permutation(num_classes)
            first = shuffled[~np.isin(shuffled, last)][:missing]
            batch[len(last) :] = first
            deck = shuffled[~np.isin(shuffled, first)]
    return dealt


def _draw_images(
    members: _Members, num_instances: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return num_instances rows of one class: one of each camera, then a second of each, and so on.

    The first is any image of the class with equal chance: the smallest key of all is the smallest
    of its camera, too.
    """
    keys = rng.random(len(members.rows))  # below 1, so that whole numbers added decide first
    # Cameras stay in order, the images within each are shuffled.
    shuffled = np.argsort(members.cameras + keys, kind="stable")
    turns = np.argsort(members.places + keys[shuffled], kind="stable")[:num_instances]
    chosen = members.rows[shuffled[turns]]
    return np.resize(chosen, num_instances)  # goes round again where the class is too small
