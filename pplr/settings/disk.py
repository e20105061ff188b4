"""What a run will need on the disk, estimated from its settings."""

from collections.abc import Mapping
from typing import NamedTuple

from pplr.settings.params import Params
from pplr.settings.schedule import Schedule

# Size D of the feature map and number of parameters of each backbone; timm's are its own.
SIZES = {
    "demo_resnet": (512, 608_672),
    "resnet18": (512, 11_176_512),
    "resnet34": (512, 21_284_672),
    "resnet50": (2048, 23_508_032),
    "resnet50_ibn": (2048, 23_508_032),
    "resnet101": (2048, 42_500_160),
    "mobilenet_v2": (1280, 2_223_872),
}
TYPICAL = (1024, 86_000_000)  # of others: a ViT-B's parameters
IMAGES_PER_CLUSTER = 16  # roughly, in the field's data sets

GB = 1e9


class DiskEstimate(NamedTuple):
    """Bytes in data/; DVC's cache holds as many again until `dvc checkout --relink`."""

    images: int
    model: int  # the first one, without an optimizer
    alternation: int  # features, lists, agreement, model, optimizer and classifiers
    alternations: int  # how many of them

    @property
    def total(self) -> int:
        """All of it."""
        return self.images + self.model + self.alternation * self.alternations


def estimate_disk(params: Params, schedule: Schedule, counts: Mapping[str, int]) -> DiskEstimate:
    """Return what a run will need on the disk.

    Parameters
    ----------
    params, schedule
        The settings.
    counts
        How many images each split has.
    """
    N, spaces = counts["train"], 1 + params.num_parts
    D, num_parameters = SIZES.get(params.backbone, TYPICAL)
    weights = 4 * num_parameters
    classifiers = 4 * spaces * D * (N // IMAGES_PER_CLUSTER)
    features = N * spaces * D * (2 if params.feature_dtype == "float16" else 4)
    depth = max(params.k, params.k1 - 1) + params.num_parts * params.k
    lists = 4 * N * (depth + 1 + params.num_parts)
    # Adam has two numbers a parameter; the mean teacher is a model of its own
    copies = 3 + (params.global_refinement == "mean-teacher")
    return DiskEstimate(
        images=sum(counts.values()) * params.height * params.width * 3,
        model=weights,
        alternation=features + lists + copies * weights + classifiers,
        alternations=len(schedule.alternations),
    )


def format_disk(estimate: DiskEstimate, free: int) -> str:
    """Return the estimate in a line, with what is free; a warning stands in a second one."""
    line = (
        f"on disk, about: images {_gb(estimate.images)}, {estimate.alternations} alternations of "
        f"{_gb(estimate.alternation)}, {_gb(estimate.total)} in all; {_gb(free)} free"
    )
    if estimate.total > free:
        line += "\nwarning: the run does not fit on this disk; see README, What it costs on disk"
    elif 2 * estimate.total > free:
        line += (
            "\nwarning: DVC's cache holds as much again until `dvc checkout --relink`: "
            "run that now and then, or the disk is full before the run ends"
        )
    return line


def _gb(size: int) -> str:
    return f"{size / GB:.2g} GB" if size < 10 * GB else f"{size / GB:,.0f} GB"
