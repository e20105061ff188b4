"""What a run will need on the disk, estimated from its settings, by stage."""

from collections.abc import Mapping
from dataclasses import dataclass

from pplr.settings.params import Params
from pplr.settings.schedule import Schedule
from pplr.storage.checks import in_words
from pplr.storage.images import IMAGES_PER_CHUNK
from pplr.storage.room import COPIES

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


@dataclass(frozen=True)
class DiskEstimate:
    """Bytes that each stage writes to data/.

    Parameters
    ----------
    once
        By the name of a stage that runs once.
    each
        By the name of a stage of every alternation. What is not named writes some kilobytes.
    alternations
        How many alternations there are.
    """

    once: Mapping[str, int]
    each: Mapping[str, int]
    alternations: int

    @property
    def alternation(self) -> int:
        """What an alternation writes."""
        return sum(self.each.values())

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.once.values()) + self.alternation * self.alternations

    @property
    def with_copies(self) -> int:
        """All of it, and DVC's copies."""
        return COPIES * self.total


def estimate_disk(params: Params, schedule: Schedule, counts: Mapping[str, int]) -> DiskEstimate:
    """Return what a run will need on the disk.

    Parameters
    ----------
    params, schedule
        The settings.
    counts
        How many images each split has.
    """
    N, P, spaces = counts["train"], params.num_parts, 1 + params.num_parts
    D, num_parameters = SIZES.get(params.backbone, TYPICAL)
    weights = 4 * num_parameters
    # Adam has two numbers a parameter; the mean teacher is a model of its own
    copies = 3 + (params.global_refinement == "mean-teacher")
    agreements = P + P * P * (params.part_refinement == "parts")
    return DiskEstimate(
        once={
            "prepare-data": sum(map(_places, counts.values())) * params.height * params.width * 3,
            "init-model": weights,
        },
        each={
            "extract-features": N * spaces * D * (2 if params.feature_dtype == "float16" else 4),
            "cluster": 4 * N * (max(params.k, params.k1 - 1) + 1),
            "compute-agreement": 4 * N * (P * params.k + agreements),
            "train-epoch": copies * weights + 4 * spaces * D * (N // IMAGES_PER_CLUSTER),
        },
        alternations=len(schedule.alternations),
    )


def _places(num_images: int) -> int:
    """Return for how many images the chunk files of a split have places; DVC copies them all."""
    rows = max(1, min(num_images, IMAGES_PER_CHUNK))
    return -(-num_images // rows) * rows


def format_disk(estimate: DiskEstimate) -> str:
    """Return the estimate as a line for the whole, and a line for each stage that writes much."""
    lines = [
        f"on disk, about {in_words(estimate.total)} in data/, and as much again in DVC's cache "
        "until `dvc checkout --relink`:"
    ]
    lines += [f"  {stage:<22}{in_words(size)}" for stage, size in estimate.once.items()]
    times = f"{estimate.alternations} × "
    lines += [f"  {stage:<22}{times}{in_words(size)}" for stage, size in estimate.each.items()]
    return "\n".join(lines)


def disk_warnings(estimate: DiskEstimate, free: int) -> list[str]:
    """Return what is to be said of a disk with so many bytes free; nothing where all fits."""
    if estimate.with_copies <= free:
        return []
    missing = f"{in_words(free)} free on the disk"
    if estimate.total > free:
        return [
            f"the run does not fit: {missing}, {in_words(estimate.total - free)} missing; "
            "see README, What it costs on disk"
        ]
    return [
        f"the run does not fit with DVC's copies: {missing}, "
        f"{in_words(estimate.with_copies - free)} missing; run `dvc checkout --relink` now and "
        "then, which removes them"
    ]
