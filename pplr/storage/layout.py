"""Every array of a run."""

# name → (dimension names, what it is, unit)
ARRAYS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "images": (("image", "row", "column", "channel"), "decoded, resized images, RGB", "0..255"),
    "pids": (("image",), "true identity, -1 unknown; never read by training", "identity"),
    "camids": (("image",), "camera, zero-based; -1 is unknown and equals no camera", "camera"),
    "paths": (("image",), "path below the folder of the images; row i is image i", "path"),
    "global": (("image", "feature"), "global features, L2-normalised", "1"),
    "parts": (("image", "part", "feature"), "part features from the top down, L2-normalised", "1"),
    "pseudo_labels": (("image",), "cluster of the global features; -1 is an outlier", "cluster"),
    "ranked_list": (("image", "rank"), "global neighbours, nearest first, without itself", "row"),
    "ranked_lists": (
        ("image", "part", "rank"),
        "neighbours by part, nearest first, without itself",
        "row",
    ),
    "cross_agreement": (("image", "part"), "Jaccard similarity of the lists, Eq. 6", "0..1"),
    "part_agreement": (
        ("image", "part", "other part"),
        "Jaccard similarity of two parts' lists",
        "0..1",
    ),
}
