"""The model card that lies beside an exported model."""

import json
from typing import NamedTuple

import torch

from pplr.inference.models import FinishedModel
from pplr.runs import Run
from pplr.settings.schedule import INIT
from pplr.storage.layout import METRICS

CARD = "MODEL_CARD.md"
DRAWN = "demo"  # the data set that has no photographs


class Check(NamedTuple):
    """How an exported model was compared with the original.

    Parameters
    ----------
    difference
        The largest of any number of a feature, of length 1.
    num_images
        On how many images.
    are_real
        Whether they are the run's training images; else noise.
    """

    difference: float
    num_images: int
    are_real: bool


def model_card(model: FinishedModel, form: str, check: Check) -> str:
    """Return the card in Markdown: use, data, settings, metrics, ethics, and where it is from.

    Parameters
    ----------
    model
        What was exported.
    form
        `onnx` or `torch`.
    check
        How the exported file was compared.
    """
    width, height = model.size
    D, P = model.network.backbone.num_features, model.network.num_parts
    images = "training images of its run" if check.are_real else "images of noise"
    sections = {
        f"Model card: `{model.name}`, features for re-identification": SUMMARY
        + (UNTRAINED if model.run and model.name == INIT else TRAINED),
        "How to use it": f"```python\n{example(model, form)}```\n\n"
        f"- `images`: (batch, {height}, {width}, 3) uint8, RGB, upright, resized by Pillow's "
        "bicubic. Scaling and normalising are inside the model: do not do them before.\n"
        f"- `global`: (batch, {D}) float32, of length 1. Compare images by it.\n"
        f"- `parts`: (batch, {P}, {D}) float32, of length 1: horizontal parts from the top down.\n"
        "- The Euclidean distance of two features is 0 for the same image and 2 at most. Where "
        "different people begin depends on the data: choose the limit on images of your own.",
        "Data": _data(model.run),
        "Settings": _listing(model.settings) + _training_settings(model.run),
        "Metrics": _metrics(model.run, model.name),
        "Intended use and ethics": ETHICS,
        "Where it is from": f"- Model `{model.name}`, SHA-256 of weights and settings "
        f"`{model.checksum}`\n- Revision of the repository: {_revision(model)}\n"
        f"- Exported by torch {torch.__version__}, read again, and compared with the original on "
        f"{check.num_images} {images}: no number of a feature differs by more than "
        f"{check.difference:.1e}",
    }
    titles = [f"{'#' if i == 0 else '##'} {title}" for i, title in enumerate(sections)]
    blocks = [f"{title}\n\n{text}\n" for title, text in zip(titles, sections.values(), strict=True)]
    return "\n".join(blocks)


SUMMARY = """\
It turns the image of a person or a vehicle, cut out by a detector, into a feature. Images of one
identity are to have near features, under other cameras, too."""

TRAINED = """ It was trained by PPLR (part-based
pseudo label refinement, CVPR 2022): without identity labels, on pseudo-labels from clustering."""

UNTRAINED = """
**It is the start of a run, before any training**: the backbone as its weights have it."""

ETHICS = """\
- For research on re-identification, and for images of people who have consented, or of nobody.
- Re-identification can follow people across cameras, and has been used against people who never
  agreed to it. Do not deploy this model to identify or to follow people, and find out what the law
  says where you are before it sees anyone's image.
- Most data sets of this field were collected without consent. What the terms of the data and of
  the weights it started from forbid, they forbid for this model, too.
- It is wrong often, and not equally often for everyone: nobody has measured that here. A small
  distance is no proof of identity."""


def example(model: FinishedModel, form: str) -> str:
    """Return ten lines of Python that compare two images, a.jpg and b.jpg, in one format."""
    width, height = model.size
    load, run, library = {
        "onnx": (
            'model = onnxruntime.InferenceSession("model.onnx")',
            'features, parts = model.run(["global", "parts"], {"images": batch})',
            "onnxruntime",
        ),
        "torch": (
            'model = torch.export.load("model.pt2").module()',
            "features, parts = (x.detach().numpy() for x in model(torch.from_numpy(batch)))",
            "torch",
        ),
    }[form]
    return (
        f"import numpy as np\nimport {library}\nfrom PIL import Image\n\n"
        f"{load}\n"
        'images = [Image.open(path).convert("RGB") for path in ("a.jpg", "b.jpg")]\n'
        f"size = ({width}, {height})  # width, height\n"
        "batch = np.stack([image.resize(size, Image.Resampling.BICUBIC) for image in images])\n"
        f"{run}\n"
        "print(np.linalg.norm(features[0] - features[1]))  # 0 the same, 2 the opposite\n"
    )


def _data(run: Run | None) -> str:
    if run is None:
        return "Not known here: the model's folder lies in no run."
    settings = run.settings
    train = run.paths.split("train")
    count = f"{len(run.split('train'))} training images of " if train.is_dir() else ""
    kind = (
        "people who are drawn, not photographed; it says nothing of photographs"
        if settings.dataset == DRAWN
        else "photographs"
    )
    cameras = "Camera numbers were not read."
    if settings.camera_aware:
        cameras = "Camera numbers were read, by the camera loss and for dealing batches."
    elif settings.sampler_cameras:
        cameras = "Camera numbers were read for dealing batches, and nowhere else."
    return (
        f"{count}`{settings.dataset}`: {kind}. Identities were not read. {cameras}\n"
        f"The backbone started from the weights `{settings.weights}`."
    )


def _training_settings(run: Run | None) -> str:
    if run is None:
        return ""
    values = run.settings.model_dump()
    if values["dataset"] != DRAWN:
        values = {key: value for key, value in values.items() if not key.startswith("demo_")}
    epochs = len(run.schedule.alternations)
    return (
        f"\n\nOf its run, {epochs} alternations, as params.yaml has them now:\n\n{_listing(values)}"
    )


def _listing(values: dict[str, object]) -> str:
    lines = [
        f"{key}: {value if isinstance(value, str) else json.dumps(value)}"
        for key, value in values.items()
    ]
    return "\n".join(("```yaml", *lines, "```"))


def _metrics(run: Run | None, name: str) -> str:
    """Return a table of the start's metrics and the model's own, as far as they were evaluated."""
    if run is None:
        return "Not known here."
    last = run.schedule.last
    place = f"`{name}` is the last of its run" if name == last else f"The last is `{last}`"
    rows = {str(row["alternation"]): row for row in run.history()}
    lines = [f"| model | {' | '.join(METRICS.values())} |", "|---" * (1 + len(METRICS)) + "|"]
    for one in dict.fromkeys((*run.models[:1], name)):
        values = [rows.get(one, {}).get(key) for key in METRICS]
        cells = ["–" if value is None else f"{float(value):.1%}" for value in values]
        lines.append(f"| `{one}` | {' | '.join(cells)} |")
    return (
        "\n".join(lines) + f"\n\nOf query and gallery of the data set, other people than trained "
        f"on, by the global feature; – was not evaluated. {place}; the last is what is reported, "
        "never the best."
    )


def _revision(model: FinishedModel) -> str:
    if model.revision is None:
        return "not known"
    commit, _, changed = model.revision.partition("-")
    return f"`{commit}`" + (", with changes that are not committed" if changed else "")
