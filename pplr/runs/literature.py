"""Figures of other systems, as Table 3 of the paper prints them, to stand beside a run's own."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pplr.runs.progress import aligned
from pplr.settings.params import Params
from pplr.storage.layout import METRICS


class Printed(NamedTuple):
    """A system's row of the table: mAP, Rank-1, Rank-5 and Rank-10 in percent, by data set."""

    system: str
    venue: str
    figures: dict[str, tuple[float, float, float, float]]


def _row(system: str, venue: str, *figures: tuple[float, float, float, float] | None) -> Printed:
    names = ("market1501", "msmt17", "veri776")
    pairs = zip(names, figures, strict=False)
    return Printed(system, venue, {name: four for name, four in pairs if four is not None})


WITHOUT_CAMERAS = (
    _row("BUC", "AAAI'19", (38.3, 66.2, 79.6, 84.5)),
    _row("MMCL", "CVPR'20", (45.5, 80.3, 89.4, 92.3), (11.2, 35.4, 44.8, 49.8)),
    _row("HCT", "CVPR'20", (56.4, 80.0, 91.6, 95.2)),
    _row("MMT", "ICLR'20", (74.3, 88.1, 96.0, 97.5)),
    _row("GCL", "CVPR'21", (66.8, 87.3, 93.5, 95.5), (21.3, 45.7, 58.6, 64.5)),
    _row(
        "SpCL", "NeurIPS'20",
        (73.1, 88.1, 95.1, 97.0), (19.1, 42.3, 56.5, 68.4), (36.9, 79.9, 86.8, 89.9),
    ),
    _row(
        "RLCC", "CVPR'21",
        (77.7, 90.8, 96.3, 97.5), (27.9, 56.5, 68.4, 73.1), (39.6, 83.4, 88.8, 90.9),
    ),
    _row(
        "PPLR", "CVPR'22",
        (81.5, 92.8, 97.1, 98.1), (31.4, 61.1, 73.4, 77.8), (41.6, 85.6, 91.1, 93.4),
    ),
)  # fmt: skip
WITH_CAMERAS = (
    _row("SSL", "CVPR'19", (37.8, 71.7, 83.8, 87.4)),
    _row("JVTC", "ECCV'20", (47.5, 79.5, 89.2, 91.9), (17.3, 43.1, 53.8, 59.4)),
    _row("IICS", "CVPR'21", (72.9, 89.5, 95.2, 97.0), (26.9, 56.4, 68.8, 73.4)),
    _row("CAP", "AAAI'21", (79.2, 91.4, 96.3, 97.7), (36.9, 67.4, 78.0, 81.4)),
    _row("ICE", "ICCV'21", (82.3, 93.8, 97.6, 98.4), (38.9, 70.2, 80.5, 84.4)),
    _row(
        "PPLR", "CVPR'22",
        (84.4, 94.3, 97.8, 98.6), (42.2, 73.3, 83.5, 86.5), (43.5, 88.3, 92.7, 94.4),
    ),
)  # fmt: skip


def beside_the_literature(params: Params, last: Mapping[str, Any], *, images: int) -> str | None:
    """Return a run's figures below those that the paper prints; None for other data sets.

    Parameters
    ----------
    params
        The run's settings; systems are those that use cameras where it does.
    last
        The row of the last alternation.
    images
        How many training images there are.
    """
    systems = WITH_CAMERAS if params.camera_aware else WITHOUT_CAMERAS
    printed = [one for one in systems if params.dataset in one.figures]
    if not printed or any(last.get(name) in (None, "") for name in METRICS):
        return None
    table = [["", "", *METRICS.values()]]
    for one in printed:
        figures = [f"{value:.1f}" for value in one.figures[params.dataset]]
        table.append([one.system, one.venue, *figures])
    own = [f"{100 * float(last[name] or 0):.1f}" for name in METRICS]
    table.append(["this run", "", *own])
    labels = "with camera labels" if params.camera_aware else "without camera labels"
    reranked = ", re-ranked, which no other line is" if params.rerank else ""
    return (
        f"Beside other systems {labels}, in percent. All lines but the last are figures printed in "
        "the\npaper's Table 3, not measured here.\n"
        f"This run: {params.backbone}, {params.height} × {params.width}, {images:,} training "
        f"images, last alternation {last['alternation']}{reranked}.\n\n{aligned(table)}"
    )
