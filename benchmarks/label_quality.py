"""How right pseudo-labels and predictions are, by true identities, for looking only.

Usage: python -m benchmarks.label_quality [ALTERNATION …]

Prints in Markdown what holds of the labels of every alternation of the run in the current folder,
and of the predictions of those named, or of all: each takes a pass over the training images.

A cluster speaks for the identity that most of its images have. A pseudo-label or a prediction is
right where the cluster it names speaks for the image's own identity; several clusters may speak for
one identity. Outliers and images without a known identity are left out.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor

from benchmarks.measuring import table
from pplr.errors import PplrError, worded
from pplr.losses import part_guided_labels
from pplr.network.checkpoint import read_model
from pplr.network.classifiers import read_classifiers
from pplr.network.model import ReIDModel, classify
from pplr.runs.clusters import summarize_clusters
from pplr.settings.schedule import load_schedule
from pplr.storage.arrays import read_arrays
from pplr.storage.images import PackedImages
from pplr.storage.layout import RunPaths

BATCH_SIZE = 128
NUM_GROUPS = 10  # deciles


class Figure(NamedTuple):
    """One measured value: what it is, of which space or decile, and the value."""

    figure: str
    of: str
    value: float


def majority_identities(
    pseudo_labels: NDArray[np.int32], pids: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Return the identity (C,) int32 that each cluster speaks for; of equal ones the lowest.

    Parameters
    ----------
    pseudo_labels
        (N,) int32 in 0…C-1, -1 for outliers.
    pids
        (N,) int32 true identities, -1 unknown; where none of a cluster's is known, it is -1.
    """
    clusters = summarize_clusters(pseudo_labels, None, pids)
    return np.array([-1 if one.pid is None else one.pid for one in clusters], np.int32)


def agreement_figures(
    agreement: NDArray[np.float32], pseudo_labels: NDArray[np.int32], pids: NDArray[np.int32]
) -> list[Figure]:
    """Return how well cross agreement tells right from wrong pseudo-labels; outliers left out.

    Parameters
    ----------
    agreement
        (N,P) in [0,1], Eq. 6.
    pseudo_labels
        (N,) int32, -1 for outliers.
    pids
        (N,) int32 true identities, -1 unknown.

    Returns
    -------
    list
        `right`, the share of right labels, and `auc` for each part and for the mean over parts:
        the probability that a right label has more agreement than a wrong one (0.5 is chance).
    """
    kept = (pseudo_labels >= 0) & (pids >= 0)
    right = (majority_identities(pseudo_labels, pids)[pseudo_labels] == pids)[kept]
    figures = [Figure("right", "pseudo-labels", float(right.mean()))]
    scores = {"mean": agreement.mean(axis=1)}
    scores |= {f"part {p}": values for p, values in enumerate(agreement.T, start=1)}
    if 0 < right.sum() < len(right):
        figures += [
            Figure("auc", of, float(roc_auc_score(right, values[kept])))
            for of, values in scores.items()
        ]
    return figures


def refined_figures(
    classes: NDArray[np.int32],
    weights: NDArray[np.float32],
    pseudo_labels: NDArray[np.int32],
    agreement: NDArray[np.float32],
    pids: NDArray[np.int32],
) -> list[Figure]:
    """Return how right the labels are that the epoch trained on, of the images it drew.

    Parameters
    ----------
    classes, weights
        (N,3) int32 and float32, as of `pplr.training.refined.RefinedLabels`.
    pseudo_labels, agreement, pids
        As of `agreement_figures`.

    Returns
    -------
    list
        `refined`, the mean weight that a label has on right clusters, among its three classes of
        most weight: of `all`, of images whose pseudo-label is `right` (1 unrefined), and of those
        where it is `wrong` (0 unrefined); and what it has on the pseudo-label itself (`label`) and
        on the three (`kept`). `refined right`, the share of images whose class of most weight is
        right. By decile of the mean agreement, lowest first, `decile refined` of the wrong ones.
    """
    drawn = np.flatnonzero((classes[:, 0] >= 0) & (pids >= 0))
    majority = majority_identities(pseudo_labels, pids)
    own = (majority[classes[drawn]] == pids[drawn, None]) & (classes[drawn] >= 0)  # (n,3)
    named = classes[drawn] == pseudo_labels[drawn, None]  # (n,3)
    mass = (weights[drawn] * own).sum(axis=1)
    right = majority[pseudo_labels[drawn]] == pids[drawn]
    figures = [
        Figure("refined", "all", float(mass.mean())),
        Figure("refined", "label", float((weights[drawn] * named).sum(axis=1).mean())),
        Figure("refined", "kept", float(weights[drawn].sum(axis=1).mean())),
        Figure("refined right", "all", float(own[:, 0].mean())),
    ]
    for of, chosen in (("right", right), ("wrong", ~right)):
        if chosen.any():
            figures.append(Figure("refined", of, float(mass[chosen].mean())))
    for group, rows in _deciles(agreement[drawn]):
        wrong = rows[~right[rows]]
        if wrong.size:
            figures.append(Figure("decile refined", group, float(mass[wrong].mean())))
    return figures


def prediction_figures(
    logits: Tensor,
    pseudo_labels: NDArray[np.int32],
    agreement: NDArray[np.float32],
    pids: NDArray[np.int32],
) -> list[Figure]:
    """Return how sharp and how right predictions are, and what PGLR makes of the labels.

    Parameters
    ----------
    logits
        (N,1+P,C), the global space first.
    pseudo_labels
        (N,) int32, -1 for outliers, which are left out.
    agreement
        (N,P) in [0,1].
    pids
        (N,) int32 true identities, -1 unknown.

    Returns
    -------
    list
        For the global space, each part and the parts' ensemble of Eq. 9: `confidence`, the mean of
        the largest probability; `entropy`, over log C; `right`, the share of images whose likeliest
        cluster is right; `mass`, the mean probability on right clusters. By decile of the mean
        agreement, lowest first: `decile agreement`, and of the images in it the shares `decile
        labels` (right pseudo-labels), `decile mass` and `decile right` (of the ensemble).
    """
    kept = np.flatnonzero((pseudo_labels >= 0) & (pids >= 0))
    majority = majority_identities(pseudo_labels, pids)
    own = torch.from_numpy(majority[None, :] == pids[kept, None])  # (n,C): right clusters
    q = logits[kept].softmax(dim=2)  # (n,1+P,C)
    labels = torch.from_numpy(pseudo_labels[kept]).long()
    ensemble = part_guided_labels(
        logits[kept, 1:], labels, torch.from_numpy(agreement[kept]), beta=0.0
    )
    spaces = {"global": q[:, 0], "parts": ensemble}
    spaces |= {f"part {p}": q[:, p] for p in range(1, q.shape[1])}
    figures = []
    for of, probabilities in spaces.items():
        entropy = torch.special.entr(probabilities).sum(dim=1) / np.log(len(majority))
        values = {
            "confidence": probabilities.amax(dim=1),
            "entropy": entropy,
            "right": _right(probabilities, own),
            "mass": (probabilities * own).sum(dim=1),
        }
        figures += [Figure(name, of, float(value.mean())) for name, value in values.items()]
    by_image = {
        "agreement": torch.from_numpy(agreement[kept].mean(axis=1)),
        "labels": own[torch.arange(len(kept)), labels],
        "mass": (ensemble * own).sum(dim=1),
        "right": _right(ensemble, own),
    }
    for group, rows in _deciles(agreement[kept]):
        figures += [
            Figure(f"decile {name}", group, float(values[rows].double().mean()))
            for name, values in by_image.items()
        ]
    return figures


def _deciles(agreement: NDArray[np.float32]) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield the number and the rows of each decile of the mean of agreement (n,P), lowest first."""
    order = agreement.mean(axis=1).argsort(kind="stable")
    for number, rows in enumerate(np.array_split(order, NUM_GROUPS), start=1):
        yield str(number), rows


def _right(probabilities: Tensor, own: Tensor) -> Tensor:
    """Return (n,) float, 1 where the likeliest of (n,C) clusters is a right one."""
    likeliest = probabilities.argmax(dim=1, keepdim=True)
    return own.gather(1, likeliest).squeeze(1).float()


def predict(
    model: ReIDModel, classifiers: Tensor, images: PackedImages, *, device: str = "cpu"
) -> Tensor:
    """Return the logits (N,1+P,C) of images under the classifiers (1+P,C,D) of the last epoch."""
    model.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    classifiers = classifiers.to(device)

    def batches() -> Iterator[Tensor]:
        for start in range(0, len(images), BATCH_SIZE):
            rows = np.arange(start, min(start + BATCH_SIZE, len(images)))
            yield classify(model(model.normalised(images[rows], device)), classifiers).cpu()

    with torch.inference_mode():
        return torch.cat(list(batches()))


def label_rows(
    paths: RunPaths, names: Iterable[str], predicted: Iterable[str], *, device: str = "cpu"
) -> list[dict[str, str]]:
    """Return the figures of a run's labels by alternation, and of the predictions of some.

    Parameters
    ----------
    paths
        The run's; its identities are known.
    names
        Alternations.
    predicted
        Those of them whose model predicts its training images, with the classifiers it ended with.
    device
        Where they predict.

    Returns
    -------
    list
        `alternation`, `figure`, `of` and `value`, with four decimals.
    """
    train = paths.split("train")
    (pids,) = read_arrays(train, "pids")
    rows = []
    for name in names:
        (labels,) = read_arrays(paths.arrays(name, "clusters"), "pseudo_labels")
        (agreement,) = read_arrays(paths.arrays(name, "agreement"), "cross_agreement")
        classes, weights = read_arrays(
            paths.arrays(name, "refined"), "refined_classes", "refined_weights"
        )
        figures = agreement_figures(agreement, labels, pids)
        figures += refined_figures(classes, weights, labels, agreement, pids)
        if name in predicted:
            model, images = read_model(paths.model(name)), PackedImages(train)
            classifiers = read_classifiers(paths.model(name), model, int(labels.max()) + 1)
            logits = predict(model, classifiers, images, device=device)
            figures += prediction_figures(logits, labels, agreement, pids)
        rows += [
            {"alternation": name, **figure._asdict(), "value": f"{figure.value:.4f}"}
            for figure in figures
        ]
    return rows


def main() -> None:
    """Print the figures of the run in the current folder, a column for each alternation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("predicted", nargs="*", help="alternations whose model predicts")
    try:
        names = list(load_schedule(RunPaths().schedule).alternations)
        predicted = parser.parse_args().predicted or names
        if unknown := set(predicted) - set(names):
            parser.error(f"no alternation {', '.join(sorted(unknown))}: {', '.join(names)}")
        rows = label_rows(RunPaths(), names, predicted)
    except (PplrError, OSError) as error:
        sys.exit(str(worded(error)))
    values = {(row["figure"], row["of"], row["alternation"]): row["value"] for row in rows}
    lines = [
        f"{figure} | {of} | " + " | ".join(values.get((figure, of, name), "") for name in names)
        for figure, of in dict.fromkeys(key[:2] for key in values)
    ]
    table("Labels and predictions", " | ".join(("figure", "of", *names)), lines)


if __name__ == "__main__":
    main()
