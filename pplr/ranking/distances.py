"""Squared Euclidean distances of single pairs of images, added up in float64."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, prange, types
from numba.extending import overload
from numpy.typing import NDArray

from pplr.checks import check_features, check_norms


def squared_norms(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the (N,) squared Euclidean norms of (N, D) features.

    Raises
    ------
    DataError
        The features are of another type or shape; or one is NaN or infinite, or too large for its
        square to be a float32.
    """
    check_features(features)
    norms: NDArray[np.float64] = _squared_norms(float_bits(features))
    check_norms(norms)
    return norms


def pair_distances(
    features: NDArray[np.floating], others: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return the (N,) squared distance of each row of (N, D) features to the row `others` names."""
    distances: NDArray[np.float64] = _pair_distances(float_bits(features), others)
    return distances


def float_bits(features: NDArray[np.floating]) -> NDArray[Any]:
    """Return features as compiled loops can read them: float16, which they lack, as its bits."""
    features = np.ascontiguousarray(features)  # one part's features are a strided view
    return features.view(np.uint16) if features.dtype == np.float16 else features


def _value(x: float) -> float:
    """Stand for the compiled conversions below."""
    raise NotImplementedError


@overload(_value, strict=False)  # strictly, annotations would have to match as well
def _compile_value(x: types.Type) -> Callable[[Any], Any]:
    """Return the conversion to float32 for the type of x: float32, or the bits of a float16."""
    if isinstance(x, types.Float):
        return lambda x: x
    return _float16_value


def _float16_value(x: Any) -> Any:
    """Return a finite float16, given by its bits, as a float32 of the same value.

    The 10 bits of the mantissa move up to the float32's 23; 2^112 mends the exponent, whose bias
    is 15 in one and 127 in the other, and makes subnormal numbers right as well.
    """
    bits = np.uint32(x)
    size = np.uint32((bits & np.uint32(0x7FFF)) << np.uint32(13)).view(np.float32)
    size = size * np.float32(2.0**112)
    return size if bits < np.uint32(0x8000) else -size


def _value_or_nan(x: float) -> float:
    """Stand for the compiled conversions below, of any number."""
    raise NotImplementedError


@overload(_value_or_nan, strict=False)
def _compile_value_or_nan(x: types.Type) -> Callable[[Any], Any]:
    """Return the conversion to float32 for the type of x, which is NaN where x is not finite."""
    if isinstance(x, types.Float):
        return lambda x: x
    return _any_float16_value


def _any_float16_value(x: Any) -> Any:
    """Return a float16, given by its bits, as a float32: NaN where all bits of its exponent are 1.

    Only the norms are computed with it, once; distances afterwards know that all is finite.
    """
    exponent = np.uint32(x) & np.uint32(0x7C00)
    return _value(x) if exponent != np.uint32(0x7C00) else np.float32(np.nan)


# Additions may be reordered to use vector instructions; the order is fixed once compiled.
@njit(cache=True, fastmath={"reassoc", "contract"})
def squared_distance(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the squared Euclidean distance of two rows of float bits, summed in float64."""
    total = 0.0
    for d in range(a.size):
        difference = np.float64(_value(a[d])) - np.float64(_value(b[d]))
        total += difference * difference
    return total


@njit(cache=True, parallel=True)
def _squared_norms(bits: NDArray[Any]) -> Any:
    norms = np.empty(bits.shape[0])
    for i in prange(bits.shape[0]):
        total = 0.0
        for d in range(bits.shape[1]):
            value = np.float64(_value_or_nan(bits[i, d]))
            total += value * value
        norms[i] = total
    return norms


@njit(cache=True, parallel=True)
def _pair_distances(bits: NDArray[Any], others: NDArray[np.integer]) -> Any:
    distances = np.empty(len(others))
    for i in prange(len(others)):
        distances[i] = squared_distance(bits[i], bits[others[i]])
    return distances
