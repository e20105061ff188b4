"""The settings in groups: each is written down here once, with its meaning and its range.

A group holds what some function takes, or what belongs together. `pplr.settings.params.Params` is
the union of all of them. The description of a field is the comment that stands behind it in
params.yaml. There are no defaults: the values of each data set stand in `pplr.settings.presets`.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

TIMM = "timm/"  # what the names of its backbones begin with

BACKBONES = (
    *("demo_resnet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet50_ibn"),
    "mobilenet_v2",
)

# The backbones that have the weights of each name; `timm/` stands for all of timm's.
PUBLISHED_WEIGHTS = {
    "imagenet": ("resnet18", "resnet34", "resnet50", "resnet101", "mobilenet_v2", TIMM),
    "imagenet-v2": ("resnet50", "resnet101", "mobilenet_v2"),
}

DEVICE = "cpu|cuda(:[0-9]{1,3})?"  # a regular expression

# Pixels of the image's height in a row of the feature map, in each of `BACKBONES`; timm's networks
# have strides of their own.
STRIDE = 16

Strength = Annotated[float, Field(ge=0, le=2)]

Share = Annotated[float, Field(ge=0, le=1)]

Epoch = Annotated[int, Field(ge=0, le=1_000_000)]  # beyond the schedule's last is never

Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Group(BaseModel):
    """Some of the settings, validated and frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def check_together(*rules: tuple[str, bool, str]) -> None:
    """Raise a ValueError for the first broken rule of several settings.

    Parameters
    ----------
    rules
        The setting that is to blame, whether the rule is broken, and what the setting may be.
    """
    for key, broken, allowed in rules:
        if broken:
            kind = "across_settings"
            raise PydanticCustomError(kind, "{allowed}", {"key": key, "allowed": allowed})


class ImageSettings(Group):
    """Which images, and their size."""

    dataset: Literal["demo", "market1501", "msmt17", "veri776", "table", "folder"] = Field(
        description="layout of the images"
    )
    height: int = Field(ge=32, le=1024, description="image height, pixels")
    width: int = Field(ge=32, le=1024, description="image width, pixels")
    skip_broken: bool = Field(description="leave out images that cannot be decoded")


class NetworkSettings(Group):
    """What the model is made of."""

    backbone: str = Field(
        pattern=rf"^({'|'.join(BACKBONES)}|{TIMM}[a-z0-9_.]+)$",
        examples=[*BACKBONES, f"{TIMM}NAME"],
        description="network that gives the feature map F",
    )
    weights: str = Field(
        pattern=r"^[^\x00-\x1f\x7f]+$",
        examples=["PATH", *PUBLISHED_WEIGHTS, "random"],
        description="weights of the backbone; a PATH stands in schedule.yaml too",
    )
    num_parts: int = Field(ge=1, le=16, description="horizontal parts, N_p")
    pooling: Literal["mean", "gem"] = Field(
        description="of the global feature; gem learns a power mean; the parts are means"
    )


class ClusteringSettings(Group):
    """From features to pseudo-labels: neighbours, their Jaccard distance, and DBSCAN."""

    search: Literal["exact", "approximate"] = Field(
        description="ranked lists; approximate where exact is out of reach"
    )
    k1: int = Field(ge=2, le=1000, description="k-reciprocal neighbours, the image itself included")
    k2: int = Field(ge=1, le=1000, description="local query expansion, the image itself included")
    eps: float = Field(gt=0, lt=1, description="DBSCAN radius, a Jaccard distance")
    min_samples: int = Field(ge=1, le=1000, description="DBSCAN core size, images")

    @model_validator(mode="after")
    def _check_neighbours(self) -> Self:
        check_together(("k2", self.k2 > self.k1, f"at most k1, {self.k1}"))
        return self


class AgreementSettings(Group):
    """What the cross agreement compares."""

    k: int = Field(
        ge=1, le=1000, description="neighbours compared by the cross agreement, k, Eq. 6"
    )


class ObjectiveSettings(Group):
    """The losses: the labels they are taken against, and what they weigh."""

    beta: Share = Field(description="weight of the pseudo-label in the refined label, beta, Eq. 9")
    aals_epoch: Epoch = Field(description="first epoch of a part refinement, as AALS, Eq. 8")
    pglr_epoch: Epoch = Field(description="first epoch of a global refinement, as PGLR, Eq. 10")
    smoothing: Share = Field(
        description="label smoothing of the parts, before aals_epoch, constant or balanced"
    )
    part_refinement: Literal["agreement", "balanced", "constant", "parts", "none"] = Field(
        description="labels of the parts: Eq. 8, Eq. 8 with a mean of `smoothing`, or an ablation's"
    )
    global_refinement: Literal["parts", "parts-uniform", "mean-teacher", "none"] = Field(
        description="labels of the global feature: Eq. 10, or an ablation's"
    )
    ema_decay: float = Field(ge=0, lt=1, description="decay of the mean teacher's average")

    camera_aware: bool = Field(description="inter-camera contrastive loss, Eq. 4")
    camera_spaces: Literal["all", "global"] = Field(
        description="spaces it acts on: the paper's is global, the official code's all"
    )
    lambda_cam: float = Field(ge=0, le=100, description="its weight, lambda_cam, Eq. 5")
    temperature: float = Field(ge=0.001, le=10, description="its temperature, tau")
    num_hard_negatives: int = Field(
        ge=1, le=100_000, description="its nearest proxies of other clusters"
    )


class StepSettings(Group):
    """The steps of an epoch: batches, optimizer and augmentation."""

    iterations: int = Field(ge=1, le=1_000_000, description="iterations of one epoch")
    batch_size: int = Field(ge=4, le=65_536, description="images of one iteration")
    num_instances: int = Field(ge=2, le=1024, description="images of one pseudo-class in a batch")
    sampler_cameras: bool = Field(description="draw a class's images from different cameras")
    samples_per_bn: int | None = Field(
        ge=2,
        description="images that batch norm normalises at a time; empty or null is all",
    )
    lr: float = Field(gt=0, le=1, description="learning rate of Adam")
    weight_decay: float = Field(ge=0, le=1, description="weight decay of Adam")
    lr_step: int = Field(ge=1, le=1_000_000, description="epochs after which lr falls")
    lr_gamma: float = Field(gt=0, le=1, description="factor by which lr falls")
    pad: int = Field(ge=0, le=64, description="padding of the random crop, pixels")
    erase_probability: Share = Field(description="probability of random erasing")

    @model_validator(mode="after")
    def _check_batches(self) -> Self:
        check_together(
            (
                "batch_size",
                self.batch_size % self.num_instances != 0
                or self.batch_size < 2 * self.num_instances,
                f"a multiple of num_instances, {self.num_instances}, and twice it at least",
            ),
            (
                "samples_per_bn",
                self.batch_size % (self.samples_per_bn or 1) != 0,
                f"a divisor of batch_size, {self.batch_size}, or null",
            ),
        )
        return self


class EvaluationSettings(Group):
    """How query and gallery are compared."""

    rerank: bool = Field(description="k-reciprocal re-ranking of the gallery, at evaluation")


class SeedSettings(Group):
    """Where random numbers start, but for the embedded data set's."""

    seed: Seed = Field(description="seed of batches, augmentation and random weights")


class PrecisionSettings(Group):
    """How the network computes."""

    precision: Literal["float32", "bfloat16"] = Field(
        description="arithmetic of the network, in training and extraction"
    )


class TrainingSettings(PrecisionSettings, SeedSettings, StepSettings, ObjectiveSettings):
    """What decides an epoch of training, but for its data and its number."""


class ExtractionSettings(PrecisionSettings):
    """How features are computed and stored."""

    feature_dtype: Literal["float16", "float32"] = Field(description="features on disk")


class ArithmeticSettings(Group):
    """How all stages compute."""

    arithmetic: Literal["portable", "native"] = Field(
        description="the same bytes on every x86-64 processor with AVX2, or as fast as this one can"
    )


class MachineSettings(Group):
    """What runs the stages; a change of it reruns none."""

    device: str = Field(
        pattern=f"^({DEVICE})$",
        examples=["cpu", "cuda", "cuda:N"],
        description="where networks run; changes no stage",
    )
    launcher: str = Field(
        pattern=r"^(python|torchrun( [^\x00-\x1f\x7f]*)?)$",
        examples=["python", "torchrun OPTIONS"],
        description="what starts extract-features and train-epoch; changes no stage",
    )
    workers: int = Field(ge=1, le=256, description="image decoding processes; changes no stage")

    @model_validator(mode="after")
    def _check_device(self) -> Self:
        shared = ":" in self.device and self.launcher != "python"
        check_together(
            ("device", shared, "cpu or cuda with torchrun: each process takes a GPU of its own")
        )
        return self


class DemoSettings(Group):
    """The embedded data set: how many people, images and cameras, and how hard.

    A strength of 0 is off. `demo_camera` is colour cast, exposure and saturation; `demo_light` the
    brightness, contrast, gradients and shade of each shot; `demo_pose` walking phase, swing of the
    limbs, stoop and size; `demo_views` the share of shots from any side instead of from the front;
    `demo_boxes` cuts or shifts bodies as a bad detector does; look-alikes share all but one
    garment; `demo_backgrounds` is how much scenes differ by camera, and how much stands in them.
    """

    demo_seed: Seed = Field(description="seed of the embedded data set")
    demo_people: int = Field(
        ge=4, le=4096, description="people to train on, and as many to test on"
    )
    # 4 at least: two in each of two cameras
    demo_images: int = Field(ge=4, le=256, description="images of one person")
    demo_cameras: int = Field(ge=2, le=32, description="cameras")
    demo_distractors: int = Field(
        ge=0, le=1_000_000, description="gallery images of nobody's match"
    )
    demo_camera: Strength = Field(description="strength of camera colour")
    demo_light: Strength = Field(description="strength of light and shade")
    demo_blur: Strength = Field(description="strength of blur")
    demo_pose: Strength = Field(description="strength of pose and walking phase")
    demo_views: Strength = Field(description="strength of front, back and side views")
    demo_boxes: Strength = Field(description="strength of bad detector boxes")
    demo_occluders: Strength = Field(description="strength of occluders")
    demo_lookalikes: Share = Field(description="share of people with a look-alike")
    demo_backgrounds: Strength = Field(description="strength of backgrounds by camera")
