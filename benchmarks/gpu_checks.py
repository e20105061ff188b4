"""Does a device compute what the CPU computes: differences, and the largest that are tolerated."""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.metrics import adjusted_rand_score
from torch import Tensor

from benchmarks.gpu_work import (
    Work,
    agreement,
    arithmetic,
    features,
    labels_of,
    short_epoch,
    unavailable,
    vector,
)
from benchmarks.measuring import table

DTYPES = (torch.float32, torch.float64)  # of the parameters
PRECISIONS = ("float32", "TF32", "bfloat16")
EXACT = 0.0  # lists are sorted by distances in float64, and what follows from them has no device


class Tolerance(NamedTuple):
    """The largest differences from the CPU's float32 that are tolerated.

    Parameters
    ----------
    features
        Euclidean distance between two normalised features of an image; opposite ones are at 2.
    labels
        1 − adjusted Rand index; a labelling by chance is at 1.
    agreement
        Mean absolute difference; an agreement is in 0 … 1.
    losses
        Of any loss of the first iteration, relative.
    gradients
        Norm of the difference over the norm, of the first iteration.
    """

    features: float
    labels: float
    agreement: float
    losses: float
    gradients: float


# Some three to thirty times what a CPU shows when it computes the two networks with the rounding of
# each precision: float32 against float64, TF32 with the operands of convolutions rounded to 10 bits
# in the forward pass, bfloat16 itself. The features were then 4e-6, 6e-3 and 6e-2 apart, the losses
# 4e-5, 2e-4 and 4e-3, the gradients 0.02, 0.05 and 0.2; gradients are the least alike, as the
# smallest difference decides which pair is the hardest and which unit is off. Features or gradients
# that have nothing to do with each other are 1.4 apart, labels 1.
TOLERANCES = {
    "float32": Tolerance(1e-4, 0.02, 2e-3, 1e-3, 0.1),
    "TF32": Tolerance(0.03, 0.1, 0.01, 5e-3, 0.4),
    "bfloat16": Tolerance(0.3, 0.3, 0.05, 0.03, 0.8),
}
# After a few iterations in float32: Adam's first steps have the length lr even where a gradient is
# nearly 0 and rounding decides its sign, so that weights drift apart. Losses hardly notice.
LOSSES_OF_STEPS, CHANGE_OF_STEPS = 1e-2, 0.3
# In float64 rounding is too small for that: 1e-10 is what thread counts make. The strictest check.
SAME_IN_FLOAT64 = 1e-6


class Check(NamedTuple):
    """One comparison: a difference, and the largest that is tolerated.

    Parameters
    ----------
    what
        What is compared.
    difference
        The largest difference; NaN, which is never tolerated, where there is none.
    tolerance
        The largest difference that is tolerated.
    left_out
        Why there is nothing to compare; empty where there is.
    """

    what: str
    difference: float = np.nan
    tolerance: float = EXACT
    left_out: str = ""

    @property
    def verdict(self) -> str:
        """Return `ok`, `FAILED` or `not run`."""
        if self.left_out:
            return "not run"
        return "ok" if self.difference <= self.tolerance else "FAILED"

    def row(self) -> str:
        """Return the check as a row of a table."""
        if self.left_out:
            return f"{self.what} | {self.left_out} | | {self.verdict}"
        return f"{self.what} | {self.difference:.1e} | {self.tolerance:.0e} | {self.verdict}"


def show(title: str, checks: list[Check]) -> None:
    """Print checks as a table."""
    table(title, "what | largest difference | tolerance | ", [check.row() for check in checks])


def conclude(checks: list[Check]) -> int:
    """Print in one line whether all that was compared is equal; return the exit code."""
    failed = [check.what for check in checks if check.verdict == "FAILED"]
    run = sum(not check.left_out for check in checks)
    left_out = f", {len(checks) - run} not run" if run < len(checks) else ""
    if failed:
        print(f"\nFAILED: {len(failed)} of {run} comparisons{left_out}: {'; '.join(failed)}")
        return 1
    print(f"\nok: all {run} comparisons hold{left_out}")
    return 0


# --- differences ---------------------------------------------------------------------------


def largest(one: ArrayLike, other: ArrayLike) -> float:
    """Return the largest absolute difference of two arrays; infinite if their shapes differ."""
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if one.shape != other.shape:
        return np.inf
    return float(np.abs(one - other).max(initial=0))


def largest_of_sparse(one: sparse.csr_array, other: sparse.csr_array) -> float:
    """Return the largest difference of what is stored; infinite if other pairs are stored."""
    if largest(one.indptr, other.indptr) or largest(one.indices, other.indices):
        return np.inf
    return largest(one.data, other.data)


def places(one: ArrayLike, other: ArrayLike) -> float:
    """Return in how many places two arrays differ; infinite if their shapes differ."""
    one, other = np.asarray(one), np.asarray(other)
    return float((one != other).sum()) if one.shape == other.shape else np.inf


def relative(one: Tensor, other: Tensor) -> float:
    """Return the norm of the difference of two vectors over the norm of the second."""
    return float((one - other).norm() / other.norm())


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest Euclidean distance of a feature (…,D) from its counterpart."""
    return float(np.linalg.norm(one - other, axis=-1).max())


def losses_apart(one: Tensor, other: Tensor) -> float:
    """Return the largest relative difference of a loss."""
    return float(((one - other) / other).abs().max())


# --- comparisons ---------------------------------------------------------------------------


def precision_checks(work: Work, device: str) -> list[Check]:
    """Return how far each precision of the device is from the CPU's float32."""
    checks = []
    with arithmetic("float32"):
        expected = _outcome(work, "cpu", "float32")
    for precision in PRECISIONS:
        if reason := unavailable(precision, device):
            checks.append(Check(precision, left_out=reason))
            continue
        with arithmetic(precision) as name:
            found = _outcome(work, device, name)
        differences = (
            apart(found["features"], expected["features"]),
            1 - adjusted_rand_score(expected["labels"], found["labels"]),
            np.abs(found["agreement"] - expected["agreement"]).mean(),
            losses_apart(found["losses"], expected["losses"]),
            relative(found["gradients"], expected["gradients"]),
        )
        for what, difference, tolerance in zip(
            Tolerance._fields, differences, TOLERANCES[precision], strict=True
        ):
            checks.append(Check(f"{precision}: {what}", float(difference), tolerance))
    return checks


def _outcome(work: Work, device: str, precision: str) -> dict[str, Any]:
    """Return features (N,1+P,D), what follows from them, and an epoch of one iteration."""
    global_features, part_features = features(work, device=device, precision=precision)
    return {
        "features": np.concatenate((global_features[:, None], part_features), axis=1),
        "labels": labels_of(global_features, device=device),
        "agreement": agreement(global_features, part_features, device=device),
        **short_epoch(work, device=device, steps=1, precision=precision),
    }


def epoch_checks(work: Work, device: str) -> list[Check]:
    """Return how far the first iterations of an epoch take the device from the CPU."""
    checks = []
    for dtype in DTYPES:
        with arithmetic("float32"):
            expected, found = (
                short_epoch(work, device=where, steps=work.size.steps, dtype=dtype)
                for where in ("cpu", device)
            )
        checks += same_epoch("", work, dtype, found, expected)
    return checks


def short(dtype: torch.dtype) -> str:
    """Return a dtype's name."""
    return str(dtype).removeprefix("torch.")


def same_epoch(
    what: str,
    work: Work,
    dtype: torch.dtype,
    found: dict[str, Tensor],
    expected: dict[str, Tensor],
) -> list[Check]:
    """Return how far two outcomes of `short_epoch` in a dtype are apart.

    Weights are compared by their change, which is small beside them.
    """
    what = f"{what}{work.size.steps} iterations, {short(dtype)}"
    exact = dtype == torch.float64
    start = vector(list(work.model().parameters()))
    change = relative(found["weights"] - start, expected["weights"] - start)
    losses = losses_apart(found["losses"], expected["losses"])
    statistics = relative(found["statistics"], expected["statistics"])
    few, many = (SAME_IN_FLOAT64,) * 2 if exact else (LOSSES_OF_STEPS, CHANGE_OF_STEPS)
    return [
        Check(f"{what}: losses", losses, few),
        Check(f"{what}: change of the weights", change, many),
        Check(f"{what}: statistics of batch norm", statistics, few),
    ]
