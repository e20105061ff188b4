"""Two runs, or two alternations, compared stage by stage."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from pplr.runs.comparison_checks import other_images
from pplr.runs.differences import DIFFERENCES, Measures, pixels_apart
from pplr.runs.pieces import Alternation
from pplr.runs.run import Run
from pplr.settings.schedule import INIT
from pplr.storage.arrays import read_digest
from pplr.storage.layout import SPLITS

DATASET = "dataset"  # the row of the images, beside `init` and the alternations


@dataclass(frozen=True)
class Measure:
    """A number that says how far two runs are apart in something.

    Parameters
    ----------
    piece
        What it is of: one of `PIECES`.
    description
        What it is, in words.
    same
        Its value where both are the same: 0, and it has either sign; or 1, and it is smaller the
        further they are apart.
    """

    piece: str
    description: str
    same: int = 0


# In the order of the stages, so that the first beyond its tolerance is where a change begins.
MEASURES = {
    "pixels": Measure("images", "largest difference of a pixel, 0..255"),
    "features": Measure("features", "largest difference of a feature, in any space"),
    "features_mean": Measure("features", "mean difference of a feature, in all spaces"),
    "rand_index": Measure("clusters", "adjusted Rand index of the pseudo-labels", same=1),
    "clusters": Measure("clusters", "clusters, B less A"),
    "outliers": Measure("clusters", "outliers, B less A"),
    "split": Measure("clusters", "clusters of A whose images are in several of B"),
    "merged": Measure("clusters", "clusters of B whose images are in several of A"),
    "overlap": Measure("clusters", "share of the global ranked lists in common", same=1),
    "part_overlap": Measure("agreement", "share of the parts' ranked lists in common", same=1),
    "agreement": Measure("agreement", "largest difference of cross agreement"),
    "agreement_mean": Measure("agreement", "mean difference of cross agreement"),
    "losses": Measure("training", "largest difference of a mean loss"),
    "weights": Measure("model", "largest difference of a weight"),
    "mAP": Measure("evaluation", "mAP, B less A"),
    "rank1": Measure("evaluation", "Rank-1, B less A"),
    "rank5": Measure("evaluation", "Rank-5, B less A"),
    "rank10": Measure("evaluation", "Rank-10, B less A"),
    "gallery_overlap": Measure("ranking", "share of the ranked galleries in common", same=1),
}
PIECES = tuple(dict.fromkeys(measure.piece for measure in MEASURES.values()))


@dataclass(frozen=True)
class Comparison:
    """What was compared, and what could not be.

    Parameters
    ----------
    rows
        `dataset`, `init` and the alternations → their measures by the names of `MEASURES`.
    not_compared
        In words, what one of both lacks, or has in another shape.
    """

    rows: dict[str, Measures] = field(default_factory=dict)
    not_compared: list[str] = field(default_factory=list)

    def add(self, row: str, found: Iterator[tuple[str, Measures | str]]) -> None:
        """Add measures to a row, and the reasons why there are none."""
        for what, measures in found:
            if isinstance(measures, str):
                self.not_compared.append(f"{what} of {row}: {measures}")
            else:
                self.rows.setdefault(row, {}).update(measures)


def compare_runs(a: Run, b: Run, only: Collection[str] = PIECES) -> Comparison:
    """Return how far two runs are apart: images, models, and the alternations of both.

    What has the same checksums is the same and is not read.

    Parameters
    ----------
    a, b
        The runs.
    only
        What is compared, of `PIECES`.

    Raises
    ------
    DataError
        They are of other training images, or an array is damaged.
    MissingInputError
        A run has no images yet.
    """
    check_same_images(a, b)
    comparison = Comparison()
    if "images" in only:
        comparison.add(DATASET, _images(a, b))
    for name in dict.fromkeys((INIT, *a.alternations, *b.alternations)):
        pieces = Alternation(a.paths, name), Alternation(b.paths, name)  # any may be missing
        comparison.add(name, _pieces(*pieces, only))
    return _or_nothing(comparison)


def compare_alternations(
    a: Alternation, b: Alternation, only: Collection[str] = PIECES
) -> Comparison:
    """Return how far two alternations are apart, of one run or of two of the same images.

    Parameters and errors are those of `compare_runs`.
    """
    comparison = Comparison()
    name = a.name if a.name == b.name else f"{a.name}, {b.name}"
    comparison.add(name, _pieces(a, b, only))
    return _or_nothing(comparison)


def _or_nothing(comparison: Comparison) -> Comparison:
    """Say so where neither side has anything of what was to be compared."""
    if not comparison.rows and not comparison.not_compared:
        comparison.not_compared.append("all that was asked for: neither has any of it")
    return comparison


def check_same_images(a: Run, b: Run) -> None:
    """Raise a DataError unless two runs have the same training images, row by row."""
    if read_digest(a.paths.split("train")) != read_digest(b.paths.split("train")):
        raise other_images(a.paths.root, b.paths.root)


def _images(a: Run, b: Run) -> Iterator[tuple[str, Measures | str]]:
    """Yield the largest difference of all splits' pixels, or why there is none of a split."""
    largest = []
    for name in SPLITS:
        found = pixels_apart(a.split(name), b.split(name))
        if isinstance(found, str):
            yield name, found
        else:
            largest.append(found)
    if largest:
        yield "images", {"pixels": max(largest)}


def _pieces(
    a: Alternation, b: Alternation, only: Collection[str]
) -> Iterator[tuple[str, Measures | str]]:
    """Yield how far each piece that is wanted is apart, or why it cannot be said."""
    for piece, difference in DIFFERENCES.items():
        sides = ["A" * (piece in a.there), "B" * (piece in b.there)]
        if piece in only and any(sides):
            yield piece, difference(a, b) if all(sides) else f"only in {''.join(sides)}"


# --- tolerances ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Beyond:
    """A measure that is further apart than its tolerance allows."""

    row: str
    measure: str
    value: float
    allowed: float


def beyond(comparison: Comparison, tolerances: Mapping[str, float]) -> list[Beyond]:
    """Return the measures beyond their tolerance, in the order of rows and stages.

    Parameters
    ----------
    comparison
        What was measured.
    tolerances
        The largest absolute value that is allowed of a measure, the smallest value of one that is
        1 where both are the same; where none is named, both must be the same.
    """
    found = []
    for row, measures in comparison.rows.items():
        for name, measure in MEASURES.items():
            value = measures.get(name, measure.same)
            allowed = tolerances.get(name, measure.same)
            if not (value >= allowed if measure.same else abs(value) <= allowed):
                found.append(Beyond(row, name, value, allowed))
    return found
