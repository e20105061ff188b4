"""Every array of a run: what is said here stands in the groups on disk, too."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ArraySpec:
    """What an array of a run is.

    Parameters
    ----------
    group
        The group it is in: `split`, `ranking`, or one of `GROUPS`.
    name
        Its name, which no other array has.
    dimensions
        The names of its dimensions; the first is `image`, or `query` in a ranking.
    dtypes
        Its type; two where a setting decides.
    unit
        What its values count or measure.
    description
        What it is, in words.
    lowest, highest
        The range of its values; None where there is no limit. Of an array of the unit `row`,
        the highest is N-1.
    unknown
        What -1 means; empty where it means nothing.
    """

    group: str
    name: str
    dimensions: tuple[str, ...]
    dtypes: tuple[str, ...]
    unit: str
    description: str
    lowest: int | None = None
    highest: int | None = None
    unknown: str = ""


_FLOATS = ("float16", "float32")  # by the setting feature_dtype
_NOT_ITSELF = "nearest first, without itself"

ARRAYS = {
    spec.name: spec
    for spec in (
        ArraySpec(
            "split", "images", ("image", "row", "column", "channel"), ("uint8",), "0..255",
            "decoded, resized images, RGB", lowest=0, highest=255,
        ),
        ArraySpec(
            "split", "pids", ("image",), ("int32",), "identity",
            "true identity, -1 unknown; never read by training", lowest=-1, unknown="unknown",
        ),
        ArraySpec(
            "split", "camids", ("image",), ("int32",), "camera",
            "camera, zero-based; -1 is unknown and equals no camera", lowest=-1, unknown="unknown",
        ),
        ArraySpec(
            "split", "paths", ("image",), ("string",), "path",
            "path below the folder of the images; row i is image i",
        ),
        ArraySpec(
            "features", "global", ("image", "feature"), _FLOATS, "1",
            "global features, L2-normalised", lowest=-1, highest=1,
        ),
        ArraySpec(
            "features", "parts", ("image", "part", "feature"), _FLOATS, "1",
            "part features from the top down, L2-normalised", lowest=-1, highest=1,
        ),
        ArraySpec(
            "clusters", "pseudo_labels", ("image",), ("int32",), "cluster",
            "cluster of the global features; -1 is an outlier", lowest=-1, unknown="outlier",
        ),
        ArraySpec(
            "clusters", "ranked_list", ("image", "rank"), ("int32",), "row",
            f"global neighbours, {_NOT_ITSELF}", lowest=0,
        ),
        ArraySpec(
            "agreement", "ranked_lists", ("image", "part", "rank"), ("int32",), "row",
            f"neighbours by part, {_NOT_ITSELF}", lowest=0,
        ),
        ArraySpec(
            "agreement", "cross_agreement", ("image", "part"), ("float32",), "0..1",
            "Jaccard similarity of the lists, Eq. 6", lowest=0, highest=1,
        ),
        ArraySpec(
            "agreement", "part_agreement", ("image", "part", "other part"), ("float32",), "0..1",
            "Jaccard similarity of two parts' lists", lowest=0, highest=1,
        ),
        ArraySpec(
            "refined", "refined_classes", ("image", "choice"), ("int32",), "cluster",
            "of most weight in the label it was last trained on, Eq. 9; -1 not drawn, or no more",
            lowest=-1, unknown="none",
        ),
        ArraySpec(
            "refined", "refined_weights", ("image", "choice"), ("float32",), "0..1",
            "weight of each of the refined classes, 0 where there is none", lowest=0, highest=1,
        ),
        ArraySpec(
            "ranking", "average_precision", ("query",), ("float64",), "0..1",
            "of the query's ranked gallery; -1 where it has no correct image",
            lowest=-1, highest=1, unknown="none",
        ),
        ArraySpec(
            "ranking", "gallery_ranked_list", ("query", "rank"), ("int32",), "gallery row",
            "nearest first, without what the protocol leaves out; -1 where there are no more",
            lowest=-1, unknown="none",
        ),
    )
}  # fmt: skip
