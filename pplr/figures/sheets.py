"""Sheets of a run's images in its last alternation: queries, clusters, agreement, outliers.

True identities frame right and wrong, and choose pure and mixed clusters, where they are known: for
looking only. Images are chosen by fixed rules, so that two runs' sheets can be laid side by side.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pplr.figures.choosing import evenly
from pplr.figures.masked import BAR, darkened, scaled
from pplr.figures.tiles import GAP, MARKED, RIGHT, WRONG, Strip, Tile, draw_strips
from pplr.printing import drawable
from pplr.runs.clusters import ClusterSummary, summarize_clusters
from pplr.runs.pieces import Split
from pplr.runs.run import Run

HEIGHT, MIN_WIDTH = 160, 76  # of a tile, pixels
QUERIES = OUTLIERS = 6  # strips of each kind
CLUSTERS = 4
NEAREST = EXTREMES = 10
MEMBERS = 14  # of a cluster, in one line
LONGEST = 90  # characters of a path in a title

Rows = NDArray[np.int64]


def draw_sheet(run: Run, name: str) -> Image.Image:
    """Return the sheet `queries`, `clusters`, `agreement` or `outliers` of the last alternation.

    Parameters
    ----------
    run
        A run whose last alternation is trained and evaluated.
    name
        Which sheet.
    """
    return SHEETS[name](run)


def _queries(run: Run) -> Image.Image:
    """Return queries with the nearest of the gallery, as the metric ranks them."""
    last = run.alternation(run.schedule.last)
    query, gallery = run.split("query"), run.split("gallery")
    precisions, ranked = _read(last.average_precision), _read(last.gallery_ranked_list)
    known = np.flatnonzero(precisions >= 0)
    if not len(known):
        words = "no query has a known identity, so nothing is ranked"
        return draw_strips([Strip("Queries", [], words=words)], tile=(MIN_WIDTH, HEIGHT))
    spread = known[evenly(len(known), QUERIES)]
    worst = known[np.argsort(precisions[known], kind="stable")][:QUERIES]
    asked, shown = _Shown(query), _Shown(gallery)
    q_pids, g_pids, paths = _read(query.pids), _read(gallery.pids), _read(query.paths)
    strips = []
    for kind, rows in (("of all, evenly", spread), ("of lowest precision", worst)):
        for row in rows:
            nearest = ranked[row][ranked[row] >= 0][:NEAREST]
            frames = [RIGHT if g_pids[one] == q_pids[row] else WRONG for one in nearest]
            ranks = [str(rank) for rank in range(1, len(nearest) + 1)]
            strips.append(
                Strip(
                    f"{kind}: {_path(paths[row])}, average precision {precisions[row]:.2f}",
                    shown.tiles(nearest, ranks, frames),
                    lead=asked.lead(row, "query"),
                )
            )
    heading = f"Queries after alternation {last.name} and their {NEAREST} nearest: green is right"
    return draw_strips(strips, tile=shown.size, heading=heading)


def _clusters(run: Run) -> Image.Image:
    """Return the largest, purest and most mixed clusters; by agreement without identities."""
    last, train = run.alternation(run.schedule.last), run.split("train")
    shown, labels, pids = _Shown(train), _read(last.pseudo_labels), _read(train.pids)
    clusters = summarize_clusters(labels, _read(last.cross_agreement), pids)
    known = [one for one in clusters if one.purity is not None]
    kinds = [("largest", sorted(clusters, key=lambda one: -one.size))]
    if known:  # of equal ones the largest
        kinds += [
            ("purest", sorted(known, key=lambda one: (-_purity(one), -one.size))),
            ("most mixed", sorted(known, key=lambda one: (_purity(one), -one.size))),
        ]
    else:
        kinds += [("of lowest agreement", sorted(clusters, key=lambda one: _mean(one)))]
    strips = []
    for kind, ordered in kinds:
        for one in ordered[:CLUSTERS]:
            members = np.flatnonzero(labels == one.cluster)
            rows = members[evenly(len(members), MEMBERS)]
            frames = [_by_identity(pids[row], one.pid) for row in rows]
            tiles = shown.tiles(rows, [_identity(pids[row]) for row in rows], frames)
            strips.append(Strip(f"{kind}: {_cluster_words(one)}", tiles))
    heading = f"Clusters of alternation {last.name}"
    if known:
        heading += "; green is the identity of most (true identities, for looking only)"
    none = [Strip("", [], words="there is no cluster")]
    return draw_strips(strips or none, tile=shown.size, per_line=MEMBERS, heading=heading)


def _agreement(run: Run) -> Image.Image:
    """Return the images of highest and lowest agreement, their parts darkened by it (Fig. 4)."""
    last, train = run.alternation(run.schedule.last), run.split("train")
    now = _read(last.cross_agreement)  # (N,P)
    names = list(run.schedule.alternations)
    shown = _Shown(train)
    means = np.zeros(now.shape)
    for name in names:
        means += _read(run.alternation(name).cross_agreement) / len(names)
    order = np.argsort(means.mean(axis=1), kind="stable")
    strips = []
    for kind, rows in (("highest", order[::-1][:EXTREMES]), ("lowest", order[:EXTREMES])):
        tiles = [
            Tile(
                darkened(picture, now[row], means[row], height=HEIGHT),
                (_camera(shown.camids[row]), f"mean {means[row].mean():.2f}"),
            )
            for row, picture in zip(rows, shown.images[rows], strict=True)
        ]
        strips.append(Strip(f"{kind} mean agreement of all alternations", tiles))
    width = scaled(shown.images[0], HEIGHT).width
    heading = (
        f"Cross agreement: image; image times agreement in alternation {last.name}; "
        "mean of all alternations in % (blue 0, red 100)"
    )
    tile = (2 * width + BAR + GAP, HEIGHT)
    return draw_strips(strips, tile=tile, heading=heading, per_line=5)


def _outliers(run: Run) -> Image.Image:
    """Return images that are in no cluster, each with its nearest in the global space."""
    last, train = run.alternation(run.schedule.last), run.split("train")
    labels, pids, paths = _read(last.pseudo_labels), _read(train.pids), _read(train.paths)
    shown, ranked = _Shown(train), _read(last.ranked_list)
    outliers = np.flatnonzero(labels < 0)
    share = f"{len(outliers):,} of {len(labels):,} images ({len(outliers) / len(labels):.1%})"
    heading = f"Outliers of alternation {last.name}: {share}, and their nearest"
    strips = []
    for row in outliers[evenly(len(outliers), 2 * OUTLIERS)]:
        nearest = ranked[row][:NEAREST]
        frames = [_by_identity(pids[one], pids[row]) for one in nearest]
        words = ["outlier" if labels[one] < 0 else f"cluster {labels[one]}" for one in nearest]
        tiles, lead = shown.tiles(nearest, words, frames), shown.lead(row, "outlier")
        strips.append(Strip(_path(paths[row]), tiles, lead=lead))
    none = [Strip("", [], words="every image is in a cluster")]
    return draw_strips(strips or none, tile=shown.size, heading=heading)


SHEETS: dict[str, Callable[[Run], Image.Image]] = {
    "queries": _queries,
    "clusters": _clusters,
    "agreement": _agreement,
    "outliers": _outliers,
}


# --- pieces --------------------------------------------------------------------------------


class _Shown:
    """The images of a split as tiles, opened once for a sheet."""

    def __init__(self, split: Split):
        self.images, self.camids = split.images, _read(split.camids)
        H, W = self.images.shape[1:3]
        self.size = max(MIN_WIDTH, round(HEIGHT * W / H)), HEIGHT

    def tiles(self, rows: Rows, words: Sequence[str], frames: Sequence[str | None]) -> list[Tile]:
        """Return a tile of each row: a word of it, and its camera."""
        pictures = self.images[rows] if len(rows) else ()
        return [
            Tile(Image.fromarray(picture), (word, _camera(self.camids[row])), frame)
            for row, picture, word, frame in zip(rows, pictures, words, frames, strict=True)
        ]

    def lead(self, row: int, word: str) -> Tile:
        """Return the tile that others stand behind."""
        return self.tiles(np.array([row]), [word], [MARKED])[0]


def _read(array: Any) -> NDArray[Any]:
    return np.asarray(array[:])


def _path(path: str) -> str:
    """Return the path of an image, of a long one the end."""
    words = drawable(path)
    return words if len(words) <= LONGEST else f"…{words[1 - LONGEST :]}"


def _by_identity(pid: int, expected: int | None) -> str | None:
    """Return the colour of a frame; None where an identity is not known."""
    if pid < 0 or expected is None or expected < 0:
        return None
    return RIGHT if pid == expected else WRONG


def _cluster_words(one: ClusterSummary) -> str:
    words = [f"cluster {one.cluster}", f"{one.size} images"]
    if one.agreement:
        words.append(f"agreement {' '.join(f'{part:.2f}' for part in one.agreement)}")
    if one.purity is not None:
        words.append(f"purity {one.purity:.0%}")
    return ", ".join(words)


def _identity(pid: int) -> str:
    return f"identity {pid}" if pid >= 0 else ""


def _camera(camid: int) -> str:
    return f"camera {camid}" if camid >= 0 else "camera ?"


def _purity(one: ClusterSummary) -> float:
    return one.purity or 0.0


def _mean(one: ClusterSummary) -> float:
    return float(np.mean(one.agreement or 0.0))
