"""The feature spaces side by side, each laid out in the plane by t-SNE: Fig. 2 and 5."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from PIL import Image
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from pplr.figures.choosing import evenly, first_and_last, spread_clusters
from pplr.figures.tiles import Strip, draw_strips
from pplr.runs import Run

NUM_CLUSTERS, IMAGES_PER_CLUSTER = 12, 40
FEWEST = 4  # images that t-SNE can tell anything of
PERPLEXITY = 30  # t-SNE's usual one, for as many images as there are here
STEPS = 500  # of its descent: twice as many take twice the time and move little
LOW = 1 / 3  # Jaccard similarity of two lists of k that share half of their images

# A colour for each of as many identities as there are clusters; all others are grey.
COLOURS = (
    *("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown"),
    *("tab:pink", "tab:olive", "tab:cyan", "gold", "navy", "black"),
)
GREY = "#b8b8b8"
DPI = 120


@dataclass(frozen=True, eq=False)
class Colouring:
    """What the colours of n images mean.

    Parameters
    ----------
    colours
        A colour for each image.
    meaning
        What they tell apart, in words.
    names
        The name of each colour, as the legend has them.
    """

    colours: list[str]
    meaning: str
    names: dict[str, str]


def draw_embedding(run: Run) -> Image.Image:
    """Return t-SNE of the global space and of each part, a row for the first and last alternation.

    All show the same images: of 12 clusters of the last alternation, spread evenly over all by
    size, at most 40 images each, spread evenly over the cluster.

    Parameters
    ----------
    run
        Finished: every alternation of its schedule is there.

    Raises
    ------
    MissingInputError, DataError
        An array is missing, damaged, or of other images.
    """
    names = first_and_last(run)
    labels = np.asarray(run.alternation(names[-1]).pseudo_labels)
    rows = sample_rows(labels)
    num_clusters = int(labels.max(initial=-1)) + 1
    if len(rows) < FEWEST:
        words = f"alternation {names[-1]} has {len(rows)} images in {num_clusters} clusters, "
        return draw_strips(
            [Strip("Each feature space by t-SNE", [], words=words + f"{FEWEST} are needed")],
            tile=(1, 1),
        )
    colouring = colour(np.asarray(run.split("train").pids)[rows], labels[rows])
    spaces, agreement = zip(*(_read(run, name, rows) for name in names), strict=True)
    shown = f"{NUM_CLUSTERS} of the" if num_clusters > NUM_CLUSTERS else "the"
    title = f"Each feature space by t-SNE: {len(rows)} images of {shown} {num_clusters} clusters "
    title += f"of alternation {names[-1]}"
    places = {name: embed_all(features) for name, features in zip(names, spaces, strict=True)}
    with style.context("default"):  # not as this user has set it
        return _rendered(make_figure(places, agreement, colouring, title=title))


def sample_rows(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the rows of the images that are shown, in their order.

    Parameters
    ----------
    labels
        (N,) pseudo-labels, -1 for outliers.
    """
    members = [np.flatnonzero(labels == one) for one in spread_clusters(labels, NUM_CLUSTERS)]
    chosen = [rows[evenly(len(rows), IMAGES_PER_CLUSTER)] for rows in members]
    return np.sort(np.concatenate([np.empty(0, np.int64), *chosen]))


def colour(pids: NDArray[np.int32], labels: NDArray[np.int32]) -> Colouring:
    """Return colours of n images by their identity or, where none is known, by their cluster.

    Parameters
    ----------
    pids
        (n,) true identities, -1 unknown.
    labels
        (n,) pseudo-labels.
    """
    known = bool((pids >= 0).any())
    values, meaning = (pids, "true identity (for looking only)") if known else (labels, "cluster")
    found, counts = np.unique(values[values >= 0], return_counts=True)
    most = found[np.argsort(-counts, kind="stable")][: len(COLOURS)].tolist()
    by_value = dict(zip(sorted(most), COLOURS, strict=False))
    colours = [by_value.get(value, GREY) for value in values.tolist()]
    names = {one: str(value) for value, one in by_value.items()}
    return Colouring(colours, meaning, names | ({GREY: "others"} if GREY in colours else {}))


def embed_all(spaces: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return places (n,S,2) of features (n,S,D) in each of S spaces."""
    return np.stack([embed(spaces[:, s]) for s in range(spaces.shape[1])], axis=1)


def embed(features: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return places in the plane by t-SNE, the same of the same features.

    Parameters
    ----------
    features
        (n,D), n at least 4. Where all are one, so are their places.

    Returns
    -------
    NDArray
        (n,2) float32.
    """
    if not np.ptp(features, axis=0).any():  # it would divide by their deviation
        return np.zeros((len(features), 2), np.float32)
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, max_iter=STEPS, init="pca", random_state=0)
    with threadpool_limits(1):  # several threads add up in another order each time
        places: NDArray[np.float32] = tsne.fit_transform(features.astype(np.float32))
    return places


def make_figure(
    places: dict[str, NDArray[np.float32]],
    agreement: Sequence[NDArray[np.float32]],
    colouring: Colouring,
    *,
    title: str,
) -> Figure:
    """Return the figure of n images in 1+P spaces, hollow where a part's agreement is low.

    Parameters
    ----------
    places
        By the name of the alternation, (n,1+P,2).
    agreement
        For each alternation (n,P) cross agreement.
    colouring
        Of the n images.
    title
        Above all.
    """
    P = agreement[0].shape[1]
    size = (max(8, 2.2 * (1 + P) + 0.3), 2.45 * len(places) + 1.5)  # inches; the legends need 8
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    axes = figure.subplots(len(places), 1 + P, squeeze=False)
    for line, (name, alternation) in enumerate(places.items()):
        axes[line, 0].set_ylabel(f"alternation {name}", fontsize=11)
        for s in range(1 + P):
            own = None if s == 0 else agreement[line][:, s - 1]
            _scatter(axes[line, s], alternation[:, s], own, colouring.colours)
    for s in range(1 + P):
        axes[0, s].set_title("global" if s == 0 else _part(s, P), fontsize=11)
    _add_legends(figure, colouring, title)
    return figure


def _rendered(figure: Figure) -> Image.Image:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return Image.fromarray(pixels).convert("RGB")


def _read(
    run: Run, name: str, rows: NDArray[np.int64]
) -> tuple[NDArray[np.floating], NDArray[np.float32]]:
    """Return features (n,1+P,D) and agreement (n,P) of some rows in an alternation."""
    alternation = run.alternation(name)
    features = np.asarray(alternation.global_features.oindex[rows])
    parts = np.asarray(alternation.part_features.oindex[rows])
    spaces = np.concatenate((features[:, None], parts), axis=1)  # (n,1+P,D)
    return spaces, np.asarray(alternation.cross_agreement.oindex[rows])


def _scatter(
    axes: Axes,
    places: NDArray[np.float32],
    agreement: NDArray[np.float32] | None,
    colours: Sequence[str],
) -> None:
    """Draw n images at (n,2), those of low agreement (n,) hollow; None is full agreement."""
    low = np.zeros(len(places), bool) if agreement is None else agreement < LOW
    faces = ["none" if hollow else one for hollow, one in zip(low, colours, strict=True)]
    area = np.clip(4000 / len(places), 10, 22)  # many leave each less room
    axes.scatter(
        places[:, 0],
        places[:, 1],
        s=area,
        facecolors=faces,
        edgecolors=list(colours),
        linewidths=0.9,
    )
    axes.set_xticks([])
    axes.set_yticks([])
    if agreement is not None:
        axes.set_xlabel(f"agreement {agreement.mean():.2f}, low in {low.mean():.0%}", fontsize=9)


def _part(number: int, num_parts: int) -> str:
    """Return the title of a part, with its place where there are several."""
    places = {1: " (top)", num_parts: " (bottom)"} if num_parts > 1 else {}
    return f"part {number}{places.get(number, '')}"


def _add_legends(figure: Figure, colouring: Colouring, title: str) -> None:
    """Say above the spaces what they and the markers are, and below them what colours mean."""
    full = "the part's nearest agree with the global ones"
    hollow = "they hardly do: fewer than half are the same (agreement below 1/3)"
    markers = [_dot("black", full), _dot("black", hollow, face="none")]
    named = [_dot(one, name) for one, name in colouring.names.items()]
    look: dict[str, Any] = {"frameon": False, "fontsize": 9, "handletextpad": 0.1}
    above = look | {"title": title, "title_fontsize": 12, "ncols": len(markers)}
    below = look | {"title": f"colour: {colouring.meaning}", "title_fontsize": 9}
    below |= {"ncols": len(named), "columnspacing": 1.0}
    figure.legend(handles=markers, loc="outside upper center", **above)
    figure.legend(handles=named, loc="outside lower center", **below)


def _dot(colour: str, label: str, *, face: str | None = None) -> Line2D:
    """Return an entry of a legend, a marker without a line."""
    marker = Line2D([], [], color=colour, label=label, linestyle="none", marker="o", markersize=6)
    marker.set_markerfacecolor(face or colour)
    return marker
