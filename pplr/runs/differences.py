"""How far two alternations of the same images are apart, piece by piece."""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pplr.runs.history import adjusted_rand_index
from pplr.runs.pieces import Alternation, Split
from pplr.storage.arrays import SHARD_CHUNK_BYTES, read_digest
from pplr.storage.checksums import check_folder, read_checksums
from pplr.storage.layout import METRICS, ModelFiles

Measures = dict[str, float]

_BLOCK_BYTES = SHARD_CHUNK_BYTES  # of rows that are looked at together: a chunk is read once

# --- pieces; each returns measures, or in words why there are none --------------------------


def pixels_apart(a: Split, b: Split) -> float | str:
    """Return the largest difference of the pixels of two splits, 0..255, or why there is none."""
    if not (a.path.is_dir() and b.path.is_dir()):
        return "not in both"
    if _same_files(a.path, b.path):
        return 0.0
    if read_digest(a.path) != read_digest(b.path):
        return "other images"
    return _other_shapes(a.images, b.images) or largest_and_mean(a.images, b.images)[0]


def features_apart(a: Alternation, b: Alternation) -> Measures | str:
    """Return the largest and the mean difference over all spaces."""
    if _same_group(a, b, "features"):
        return {"features": 0.0, "features_mean": 0.0}
    spaces = [
        (a.global_features, b.global_features),
        (a.part_features, b.part_features),
    ]
    for pair in spaces:
        if reason := _other_shapes(*pair):
            return reason
    sizes = [int(np.prod(one.shape)) for one, _ in spaces]
    found = [largest_and_mean(*pair) for pair in spaces]
    return {
        "features": max(largest for largest, _ in found),
        "features_mean": float(np.average([mean for _, mean in found], weights=sizes)),
    }


def clusters_apart(a: Alternation, b: Alternation) -> Measures | str:
    """Return how far pseudo-labels and global ranked lists are apart."""
    if _same_group(a, b, "clusters"):
        counts = dict.fromkeys(("clusters", "outliers", "split", "merged"), 0)
        return {"rand_index": 1.0, **counts, "overlap": 1.0}
    labels = [np.asarray(one.pseudo_labels[:]) for one in (a, b)]
    changes = label_changes(*labels)
    clusters = [int(one.max(initial=-1)) + 1 for one in labels]
    outliers = [int((one < 0).sum()) for one in labels]
    return {
        "rand_index": adjusted_rand_index(*labels),
        "clusters": clusters[1] - clusters[0],
        "outliers": outliers[1] - outliers[0],
        "split": len(changes.split),
        "merged": len(changes.merged),
        "overlap": overlap(a.ranked_list, b.ranked_list),
    }


def agreement_apart(a: Alternation, b: Alternation) -> Measures | str:
    """Return how far cross agreement and the parts' ranked lists are apart."""
    if _same_group(a, b, "agreement"):
        return {"part_overlap": 1.0, "agreement": 0.0, "agreement_mean": 0.0}
    if reason := _other_shapes(a.cross_agreement, b.cross_agreement):
        return reason
    largest, mean = largest_and_mean(a.cross_agreement, b.cross_agreement)
    lists = overlap(a.ranked_lists, b.ranked_lists)
    return {"part_overlap": lists, "agreement": largest, "agreement_mean": mean}


def training_apart(a: Alternation, b: Alternation) -> Measures | str:
    """Return the largest difference of a loss."""
    losses = [dict(one.training or {}) for one in (a, b)]
    for one in losses:
        one.pop("lr", None)
    differences = (abs(losses[1].get(name, 0) - value) for name, value in losses[0].items())
    return _other_names(*losses) or {"losses": max(differences, default=0.0)}


def model_apart(a: Alternation, b: Alternation) -> Measures | str:
    """Return the largest difference of a weight of the backbones and BNNecks."""
    from safetensors.numpy import load_file

    folders = [one.paths.model(one.name) for one in (a, b)]
    if _same_files(*folders):
        return {"weights": 0.0}
    for folder in folders:
        check_folder(folder, whole=True)
    a_tensors, b_tensors = (load_file(ModelFiles(folder).weights) for folder in folders)
    if reason := _other_names(a_tensors, b_tensors):
        return reason
    largest = 0.0
    for name, tensor in a_tensors.items():
        if reason := _other_shapes(tensor, b_tensors[name]):
            return f"{name}: {reason}"
        if tensor.dtype.kind == "f":  # a count of batches is no weight
            difference = largest_and_mean(tensor.ravel(), b_tensors[name].ravel())[0]
            largest = max(largest, difference)
    return {"weights": largest}


def evaluation_apart(a: Alternation, b: Alternation) -> Measures | str:
    """Return the differences of mAP and ranks; none where neither could be evaluated."""
    before, after = (one.evaluation or {} for one in (a, b))
    if (before["mAP"] is None) != (after["mAP"] is None):
        return f"no query had a correct image in {'A' if before['mAP'] is None else 'B'}"
    return {name: after[name] - before[name] for name in METRICS if before[name] is not None}


def ranking_apart(a: Alternation, b: Alternation) -> Measures | str:
    """Return the share of the queries' ranked galleries that both have in common."""
    if _same_files(a.paths.ranking(a.name), b.paths.ranking(b.name)):
        return {"gallery_overlap": 1.0}
    for split in ("query", "gallery"):
        paths = [one.paths.split(split) for one in (a, b)]
        if all(path.is_dir() for path in paths) and len({*map(read_digest, paths)}) > 1:
            return f"the two have other {split} images"
    return {"gallery_overlap": overlap(a.gallery_ranked_list, b.gallery_ranked_list)}


DIFFERENCES: dict[str, Callable[[Alternation, Alternation], Measures | str]] = {
    "features": features_apart,
    "clusters": clusters_apart,
    "agreement": agreement_apart,
    "training": training_apart,
    "model": model_apart,
    "evaluation": evaluation_apart,
    "ranking": ranking_apart,
}


def _same_group(a: Alternation, b: Alternation, group: str) -> bool:
    return _same_files(a.paths.arrays(a.name, group), b.paths.arrays(b.name, group))


def _same_files(a: Path, b: Path) -> bool:
    """Return whether two folders hold the same by their checksums; `pplr verify` holds these."""
    return read_checksums(a) == read_checksums(b)


def _other_shapes(a: Any, b: Any) -> str:
    """Return in words how two shapes differ; empty where they are the same."""
    shapes = tuple(a.shape), tuple(b.shape)
    return "" if shapes[0] == shapes[1] else f"{shapes[0]} in A, {shapes[1]} in B"


def _other_names(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    """Return which names only one of both has; empty where they are the same."""
    alone = [f"{name} only in {'A' if name in a else 'B'}" for name in sorted(a.keys() ^ b.keys())]
    return ", ".join(alone)


# --- arrays --------------------------------------------------------------------------------


def largest_and_mean(a: Any, b: Any) -> tuple[float, float]:
    """Return the largest and the mean absolute difference of two arrays of one shape.

    They may be NumPy's, Zarr's or packed images, and are read block by block.
    """
    largest, total, size = 0.0, 0.0, 0
    for rows in _blocks(a):
        difference = np.abs(_signed(a[rows]) - _signed(b[rows]))
        largest = max(largest, float(difference.max(initial=0)))
        total += float(difference.sum(dtype=np.float64))
        size += difference.size
    return largest, total / max(1, size)


def overlap(a: Any, b: Any) -> float:
    """Return the mean share that two ranked lists have in common of the k nearest, in [0,1].

    Without any, as of a run without queries, it is 1: they are alike.

    Parameters
    ----------
    a, b
        (N,k) or (N,P,k) integers: rows of neighbours, none twice in a list. Where one has longer
        lists, k is the length of the shorter.
    """
    k = min(a.shape[-1], b.shape[-1])
    shared, lists = 0, 0
    for rows in _blocks(a):
        both = np.concatenate([_different(one[rows][..., :k]) for one in (a, b)], axis=-1)
        both.sort(axis=-1)  # what both have comes twice, one after the other
        shared += int(np.count_nonzero(both[..., 1:] == both[..., :-1]))
        lists += math.prod(both.shape[:-1])
    return float(shared / (lists * k)) if lists * k else 1.0


def _different(lists: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return lists in which the places without a row, which are -1, differ from each other."""
    return np.where(lists < 0, -1 - np.arange(lists.shape[-1], dtype=lists.dtype), lists)


class LabelChanges(NamedTuple):
    """Which clusters have become others; outliers are left out."""

    split: NDArray[np.int64]  # of the first labels: its images are in several of the second
    merged: NDArray[np.int64]  # of the second: its images were in several of the first
    dissolved: NDArray[np.int64]  # of the first: all its images are outliers in the second
    appeared: NDArray[np.int64]  # of the second: all its images were outliers in the first


def label_changes(a: NDArray[np.int32], b: NDArray[np.int32]) -> LabelChanges:
    """Return what has become of the clusters of the labels `a` in the labels `b`.

    Parameters
    ----------
    a, b
        (N,) pseudo-labels of the same images, -1 for outliers.
    """
    both = (a >= 0) & (b >= 0)
    width = int(b.max(initial=-1)) + 1
    pairs = np.unique(a[both].astype(np.int64) * width + b[both])
    before, after = np.divmod(pairs, max(1, width))
    targets = np.bincount(before, minlength=int(a.max(initial=-1)) + 1)
    sources = np.bincount(after, minlength=width)
    return LabelChanges(
        split=np.flatnonzero(targets > 1),
        merged=np.flatnonzero(sources > 1),
        dissolved=np.flatnonzero(targets == 0),
        appeared=np.flatnonzero(sources == 0),
    )


def _blocks(array: Any) -> Iterator[slice]:
    """Yield slices of rows of an array of about `_BLOCK_BYTES`, the chunks of those written so."""
    step = max(1, _BLOCK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, array.shape[0], step):
        yield slice(start, start + step)


def _signed(values: NDArray[Any]) -> NDArray[Any]:
    """Return values in a type in which their differences are exact enough and have a sign."""
    if values.dtype == np.float16:
        return _widened(values)
    return values.astype(np.int32 if values.dtype.kind in "iu" else np.float32, copy=False)


def _widened(halves: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return finite float16 as float32, exactly, in half of NumPy's time.

    Exponent and mantissa are moved to where float32 has them; its exponent counts from 112 lower.
    """
    bits = halves.view(np.int16).astype(np.int32)  # the sign is repeated above
    bits <<= 13
    bits &= np.int32(~0x70000000)  # of the sign's repetitions the first stays
    wide = bits.view(np.float32)
    wide *= np.float32(2.0**112)
    return wide
