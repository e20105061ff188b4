"""Settings: params.yaml as one frozen, validated object."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from pplr.errors import SettingError
from pplr.settings.reading import check_known_keys, load_yaml

Settings = TypeVar("Settings")


BACKBONES = ("demo_resnet", "resnet18", "resnet34", "resnet50", "resnet101", "mobilenet_v2")


Strength = Annotated[float, Field(ge=0, le=2)]


Share = Annotated[float, Field(ge=0, le=1)]


Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Params(BaseModel):
    """Every setting of the pipeline, by the name it has in params.yaml.

    The description of a field is the comment that stands behind it in params.yaml. There are no
    defaults here: the values of each data set stand in `pplr.settings.presets`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    dataset: Literal["demo", "market1501", "msmt17", "veri776", "table", "folder"] = Field(
        description="layout of the images"
    )
    height: int = Field(ge=32, le=1024, description="image height, pixels")
    width: int = Field(ge=32, le=1024, description="image width, pixels")
    skip_broken: bool = Field(description="leave out images that cannot be decoded")

    backbone: str = Field(
        pattern=rf"^({'|'.join(BACKBONES)}|timm/[a-z0-9_.]+)$",
        examples=[*BACKBONES, "timm/NAME"],
        description="network that gives the feature map F",
    )
    weights: str = Field(
        min_length=1,
        examples=["PATH", "imagenet", "random"],
        description="weights of the backbone; a PATH stands in schedule.yaml too",
    )
    num_parts: int = Field(ge=1, le=16, description="horizontal parts, N_p")

    search: Literal["exact", "approximate"] = Field(
        description="ranked lists; approximate where exact is out of reach"
    )
    k1: int = Field(ge=2, le=1000, description="k-reciprocal neighbours, the image itself included")
    k2: int = Field(ge=1, le=1000, description="local query expansion, the image itself included")
    eps: float = Field(gt=0, lt=1, description="DBSCAN radius, a Jaccard distance")
    min_samples: int = Field(ge=1, le=1000, description="DBSCAN core size, images")

    k: int = Field(
        ge=1, le=1000, description="neighbours compared by the cross agreement, k, Eq. 6"
    )

    beta: Share = Field(description="weight of the pseudo-label in the refined label, beta, Eq. 9")
    aals_epoch: int = Field(ge=0, description="first epoch of agreement-aware smoothing, Eq. 8")
    pglr_epoch: int = Field(ge=0, description="first epoch of part-guided refinement, Eq. 10")
    smoothing: Share = Field(
        description="label smoothing of the parts, before aals_epoch or constant"
    )
    part_refinement: Literal["agreement", "constant", "parts", "none"] = Field(
        description="labels of the parts: Eq. 8, or an ablation's"
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
    temperature: float = Field(gt=0, le=10, description="its temperature, tau")
    num_hard_negatives: int = Field(
        ge=1, le=100_000, description="its nearest proxies of other clusters"
    )

    iterations: int = Field(ge=1, description="iterations of one epoch")
    batch_size: int = Field(ge=4, description="images of one iteration")
    num_instances: int = Field(ge=2, description="images of one pseudo-class in a batch")
    sampler_cameras: bool = Field(description="draw a class's images from different cameras")
    samples_per_bn: int | None = Field(
        ge=2,
        description="images that batch norm normalises at a time; empty or null is all",
    )
    lr: float = Field(gt=0, le=1, description="learning rate of Adam")
    weight_decay: float = Field(ge=0, le=1, description="weight decay of Adam")
    lr_step: int = Field(ge=1, description="epochs after which lr falls")
    lr_gamma: float = Field(gt=0, le=1, description="factor by which lr falls")
    pad: int = Field(ge=0, le=64, description="padding of the random crop, pixels")
    erase_probability: Share = Field(description="probability of random erasing")

    rerank: bool = Field(description="k-reciprocal re-ranking of the gallery, at evaluation")

    seed: Seed = Field(description="seed of batches, augmentation and random weights")
    precision: Literal["float32", "bfloat16"] = Field(
        description="arithmetic of the network, in training and extraction"
    )
    feature_dtype: Literal["float16", "float32"] = Field(description="features on disk")

    device: str = Field(
        pattern=r"^(cpu|cuda(:[0-9]+)?)$",
        examples=["cpu", "cuda", "cuda:N"],
        description="where networks run; changes no stage",
    )
    launcher: str = Field(
        pattern=r"^(python|torchrun( .*)?)$",
        examples=["python", "torchrun OPTIONS"],
        description="what starts extract-features and train-epoch; changes no stage",
    )
    workers: int = Field(ge=1, le=256, description="image decoding processes; changes no stage")

    demo_seed: Seed = Field(description="seed of the embedded data set")
    demo_people: int = Field(
        ge=4, le=4096, description="people to train on, and as many to test on"
    )
    demo_images: int = Field(ge=4, le=256, description="images of one person")
    demo_cameras: int = Field(ge=2, le=32, description="cameras")
    demo_distractors: int = Field(ge=0, description="gallery images of nobody's match")
    demo_camera: Strength = Field(description="strength of camera colour")
    demo_light: Strength = Field(description="strength of light and shade")
    demo_blur: Strength = Field(description="strength of blur")
    demo_pose: Strength = Field(description="strength of pose and walking phase")
    demo_views: Strength = Field(description="strength of front, back and side views")
    demo_boxes: Strength = Field(description="strength of bad detector boxes")
    demo_occluders: Strength = Field(description="strength of occluders")
    demo_lookalikes: Share = Field(description="share of people with a look-alike")
    demo_backgrounds: Strength = Field(description="strength of backgrounds by camera")

    @model_validator(mode="after")
    def _check_across_settings(self) -> Self:
        """Raise a ValueError of three parts: the setting, what it is, what is allowed."""
        rows = self.height // 16  # of the feature map
        checks = (
            (
                "batch_size",
                self.batch_size % self.num_instances or self.batch_size < 2 * self.num_instances,
                f"a multiple of num_instances, {self.num_instances}, and twice it at least",
            ),
            ("k2", self.k2 > self.k1, f"at most k1, {self.k1}"),
            ("num_parts", self.num_parts > rows, f"at most height / 16, {rows}"),
            (
                "part_refinement",
                self.part_refinement == "parts" and self.num_parts < 2,
                "another one where num_parts is 1: there are no other parts",
            ),
            (
                "samples_per_bn",
                self.batch_size % (self.samples_per_bn or 1) != 0,
                f"a divisor of batch_size, {self.batch_size}, or null",
            ),
        )
        for key, wrong, allowed in checks:
            if wrong:
                kind = "across_settings"
                raise PydanticCustomError(kind, "{allowed}", {"key": key, "allowed": allowed})
        return self

    def select(self, kind: type[Settings], *, prefix: str = "") -> Settings:
        """Return a `kind` dataclass whose fields are the settings of the same names.

        Parameters
        ----------
        kind
            A dataclass; each of its fields is a setting.
        prefix
            What the settings' names have before the fields' names, as in `demo_`.
        """
        assert dataclasses.is_dataclass(kind)
        names = [field.name for field in dataclasses.fields(kind)]
        return kind(**{name: getattr(self, prefix + name) for name in names})


def load_params(path: Path) -> Params:
    """Return the validated settings of a YAML file.

    Raises
    ------
    MissingInputError
        There is no such file.
    SettingError
        The file is no YAML mapping, or a setting is unknown, missing or not allowed.
    """
    return parse_params(load_yaml(path), where=str(path))


def parse_params(values: Mapping[str, Any], *, where: str) -> Params:
    """Return validated settings; `where` names their origin in errors.

    Raises
    ------
    SettingError
        A setting is unknown, missing, of the wrong type or out of range.
    """
    check_known_keys(values, tuple(Params.model_fields), where=where)
    try:
        return Params.model_validate(dict(values))
    except ValidationError as error:
        raise _setting_error(error.errors()[0], where=where) from None


def _setting_error(error: ErrorDetails, *, where: str) -> SettingError:
    """Return pydantic's finding in the words of this project."""
    if not error["loc"]:  # from the check across settings
        key, allowed = error["ctx"]["key"], error["ctx"]["allowed"]
        value = repr(error["input"][key])
    else:
        key = str(error["loc"][0])
        value = "nothing" if error["type"] == "missing" else repr(error["input"])
        allowed = allowed_values(key)
    return SettingError(
        what=f"The setting `{key}` cannot be used.",
        where=where,
        value=value,
        allowed=allowed,
        next_step=f"give `{key}` another value",
    )


@functools.cache
def allowed_values(key: str) -> str:
    """Return the type and range of a setting in words, as `number, > 0, < 1`."""
    schema = Params.model_json_schema()["properties"][key]
    if "anyOf" in schema:  # a number or null
        number, null = schema["anyOf"]
        assert null == {"type": "null"}
        return f"{_range(number)}, or null"
    choices = schema.get("enum") or schema.get("examples")
    if choices:
        return " | ".join(choices)
    return _range(schema)


def _range(schema: Mapping[str, Any]) -> str:
    words = {"integer": "whole number", "number": "number", "boolean": "true or false"}
    bounds = (
        ("exclusiveMinimum", ">"),
        ("minimum", ">="),
        ("exclusiveMaximum", "<"),
        ("maximum", "<="),
    )
    parts = [words[schema["type"]]]
    parts += [f"{sign} {schema[name]}" for name, sign in bounds if name in schema]
    return ", ".join(parts)
