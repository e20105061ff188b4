"""What is to be seen of a run, an alternation, a cluster or an image, in what JSON can hold.

Purity and majority identity need the true identities, which training never reads: for looking only.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pplr.runs.checks import not_clustered, unknown_cluster, unknown_image, unknown_row
from pplr.runs.clusters import ClusterSummary, nearest_clusters, summarize_clusters
from pplr.runs.history import clustering_row
from pplr.runs.pieces import Alternation
from pplr.runs.progress import how_far
from pplr.runs.rows import InAlternation
from pplr.runs.run import Run
from pplr.settings.presets import PRESETS
from pplr.storage.layout import SPLITS

BINS = 10  # of the histograms of agreement, each a tenth of 0..1

Facts = dict[str, Any]


def inspect_run(run: Run) -> Facts:
    """Return settings that differ from the preset, images, how far the run is, and its history."""
    params = run.settings.model_dump()
    preset = PRESETS[params["dataset"]]
    history = run.history()
    return {
        "run": str(run.paths.root),
        "dataset": params["dataset"],
        "changed": {
            name: {"here": value, "preset": preset[name]}
            for name, value in params.items()
            if value != preset.get(name, value)
        },
        "images": {name: len(run.split(name)) for name in SPLITS if run.paths.split(name).is_dir()},
        "alternations": list(run.schedule.alternations),
        "unfinished": how_far(run.paths, run.schedule, history),
        "missing": list(run.missing),
        "history": history,
    }


def inspect_alternation(run: Run, name: str, *, extremes: int = 5) -> Facts:
    """Return clusters, outliers, agreement by part and the images of extreme agreement.

    Parameters
    ----------
    run
        The run.
    name
        The alternation.
    extremes
        How many clusters and images of each kind.

    Raises
    ------
    MissingInputError
        There is no such alternation, or it is not clustered yet.
    """
    alternation = run.alternation(name)
    labels, pids = _labels(alternation), _read(run.split("train").pids)
    agreement = _agreement(alternation)
    clusters = summarize_clusters(labels, agreement, pids)
    facts: Facts = {
        "alternation": name,
        "there": list(alternation.there),
        "images": len(labels),
        **clustering_row(labels, None, pids),
        "sizes": [one.size for one in sorted(clusters, key=lambda one: -one.size)],
        "largest": _first(clusters, key=lambda one: -one.size, count=extremes),
        "training": alternation.training,
        "evaluation": alternation.evaluation,
    }
    mixed = [one for one in clusters if one.purity is not None]
    if mixed:
        facts["most_mixed"] = _first(mixed, key=lambda one: one.purity or 0.0, count=extremes)
    if agreement is not None:
        order = np.argsort(agreement.mean(axis=1), kind="stable")
        facts["agreement"] = [
            {"mean": float(part.mean(dtype=np.float64)), "histogram": _histogram(part)}
            for part in agreement.T
        ]
        lowest, highest = order[:extremes], order[::-1][:extremes]
        images = _images(run, labels, agreement, np.r_[lowest, highest])
        facts |= {"lowest": images[: len(lowest)], "highest": images[len(lowest) :]}
    return facts


def inspect_cluster(run: Run, name: str, cluster: int) -> Facts:
    """Return a cluster's images, its neighbours, and where its images were before and go next.

    Parameters
    ----------
    run
        The run.
    name
        The alternation.
    cluster
        Which of its pseudo-labels.

    Raises
    ------
    MissingInputError
        There is no such alternation, or it is not clustered yet.
    DataError
        It has no such cluster.
    """
    alternation = run.alternation(name)
    labels, pids = _labels(alternation), _read(run.split("train").pids)
    num_clusters = int(labels.max(initial=-1)) + 1
    if not 0 <= cluster < num_clusters:
        raise unknown_cluster(
            cluster, num_clusters, where=alternation.paths.arrays(name, "clusters")
        )
    rows = np.flatnonzero(labels == cluster)
    agreement = _agreement(alternation)
    (summary,) = summarize_clusters(
        np.zeros(len(rows), np.int32), None if agreement is None else agreement[rows], pids[rows]
    )
    names = list(run.schedule.alternations)
    here = names.index(name)
    facts: Facts = {
        "alternation": name,
        **summary.facts(),
        "cluster": cluster,
        "images": _images(run, labels, agreement, rows),
        "before": _places(run, names[here - 1], rows) if here else None,
        "after": _places(run, names[here + 1], rows) if here + 1 < len(names) else None,
    }
    if "features" in alternation.there:
        facts["nearest"] = nearest_clusters(alternation.global_features, labels, cluster)
    return facts


def inspect_image(run: Run, row: int, name: str | None = None, *, k: int | None = None) -> Facts:
    """Return an image's labels and agreement through the run, and its neighbours in all spaces.

    Parameters
    ----------
    run
        The run.
    row
        Its row.
    name
        The alternation whose neighbours are shown; the last that has any by default.
    k
        How many neighbours; as many as agreement compares by default.

    Raises
    ------
    DataError
        There is no such row.
    MissingInputError
        There is no such alternation, or no alternation is clustered yet.
    """
    image = run.row(row)
    clustered = [one for one, seen in image.alternations.items() if seen.ranked_list is not None]
    if name is None and clustered:
        name = clustered[-1]
    if name is None or name not in clustered:
        raise not_clustered(name or "any alternation", run.paths.root)
    seen = image.alternations[name]
    assert seen.ranked_list is not None
    depth = k or run.settings.k
    lists = {"global": seen.ranked_list[:depth]}
    for part, ranked in enumerate(() if seen.ranked_lists is None else seen.ranked_lists, start=1):
        lists[f"part {part}"] = ranked[:depth]
    labels = _labels(run.alternation(name))
    rows = np.unique(np.concatenate(list(lists.values())))
    images = _images(run, labels, None, np.r_[row, rows])
    return {
        "row": row,
        "path": image.path,
        "camid": image.camid,
        "pid": images[0]["pid"],
        "alternation": name,
        "through": {
            one: {
                "pseudo_label": at.pseudo_label,
                "agreement": _list(at.agreement),
                "refined_label": _refined_label(at),
            }
            for one, at in image.alternations.items()
        },
        "neighbours": {space: ranked.tolist() for space, ranked in lists.items()},
        "images": images[1:],
    }


def find_image(run: Run, text: str) -> int:
    """Return the row of a training image, named by its row or by its path or the end of it.

    Raises
    ------
    DataError
        No image is named so, or several are.
    """
    paths = _read(run.split("train").paths).tolist()
    if text.isdecimal():
        if int(text) >= len(paths):
            raise unknown_row(int(text), len(paths), where=run.paths.split("train"))
        return int(text)
    found = [row for row, path in enumerate(paths) if path == text]
    found = found or [row for row, path in enumerate(paths) if path.endswith(text)]
    if len(found) != 1:
        raise unknown_image(text, len(found), where=run.paths.split("train"))
    return found[0]


# --- pieces --------------------------------------------------------------------------------


def _labels(alternation: Alternation) -> NDArray[np.int32]:
    if "clusters" not in alternation.there:
        raise not_clustered(alternation.name, alternation.paths.root)
    return _read(alternation.pseudo_labels)


def _agreement(alternation: Alternation) -> NDArray[np.float32] | None:
    return _read(alternation.cross_agreement) if "agreement" in alternation.there else None


def _read(array: Any) -> NDArray[Any]:
    return np.asarray(array[:])


def _first(clusters: Sequence[ClusterSummary], *, key: Any, count: int) -> list[Facts]:
    return [one.facts() for one in sorted(clusters, key=key)[:count]]


def _histogram(values: NDArray[np.float32]) -> list[int]:
    return [int(count) for count in np.histogram(values, bins=BINS, range=(0, 1))[0]]


def _images(
    run: Run,
    labels: NDArray[np.int32],
    agreement: NDArray[np.float32] | None,
    rows: NDArray[np.int64],
) -> list[Facts]:
    """Return what is known of some training images."""
    train = run.split("train")
    columns = [_read(one)[rows] for one in (train.paths, train.camids, train.pids)]
    return [
        {
            "row": int(row),
            "path": str(path),
            "camid": int(camid),
            "pid": _known(pid),
            "pseudo_label": int(labels[row]),
            **({} if agreement is None else {"agreement": _list(agreement[row])}),
        }
        for row, path, camid, pid in zip(rows, *columns, strict=True)
    ]


def _places(run: Run, name: str, rows: NDArray[np.int64]) -> dict[int, int] | None:
    """Return in which clusters of an alternation images are, -1 as outliers, most first."""
    if name not in run.alternations or "clusters" not in run.alternation(name).there:
        return None
    labels, counts = np.unique(_labels(run.alternation(name))[rows], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {int(labels[i]): int(counts[i]) for i in order}


def _refined_label(at: InAlternation) -> list[Facts] | None:
    """Return the classes of most weight that an image was trained on, none where it was not."""
    if at.refined_classes is None or at.refined_weights is None:
        return None
    pairs = zip(at.refined_classes, at.refined_weights, strict=True)
    return [{"cluster": int(one), "weight": float(weight)} for one, weight in pairs if one >= 0]


def _known(pid: Any) -> int | None:
    return None if pid < 0 else int(pid)


def _list(values: NDArray[np.float32] | None) -> list[float] | None:
    return None if values is None else [float(value) for value in values]
