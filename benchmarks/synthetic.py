"""Features to measure on, made of random numbers."""

import numpy as np
from numpy.typing import NDArray

IMAGES_OF_A_PERSON = 17  # as many as Market-1501 has


def clustered(
    N: int, D: int, *, images_of_a_person: int = IMAGES_OF_A_PERSON, spread: float = 0.8
) -> NDArray[np.float32]:
    """Return (N, D) normalised float32 features of people with so many images each, on average."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((max(1, N // images_of_a_person), D), dtype=np.float32)
    features = centres[rng.integers(len(centres), size=N)]
    for start in range(0, N, 65536):
        block = features[start : start + 65536]
        block += spread * rng.standard_normal(block.shape, dtype=np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    return features


def hubs(N: int, D: int, *, count: int = 25) -> NDArray[np.float32]:
    """Return features whose lists hold 3 images of their own and then the same 25 hubs."""
    rng = np.random.default_rng(0)
    common = rng.standard_normal(D, dtype=np.float32)
    features = clustered(N, D, images_of_a_person=4, spread=0.3) + common / np.linalg.norm(common)
    features[:count] = common + 0.1 * rng.standard_normal((count, D), dtype=np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features


def collapsed(N: int, D: int, *, count: int = 40) -> NDArray[np.float32]:
    """Return features without people, all of whose nearest are some of the same few hubs."""
    rng = np.random.default_rng(0)
    common = rng.standard_normal(D, dtype=np.float32)
    features = common + rng.standard_normal((N, D), dtype=np.float32)
    features[:count] = common + 0.1 * rng.standard_normal((count, D), dtype=np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features
