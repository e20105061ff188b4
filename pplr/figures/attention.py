"""Where the global prediction of an image's cluster looks, before and after training: Fig. 6."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from pplr.figures.choosing import first_and_last, spread_clusters
from pplr.figures.tiles import BACKGROUND, FAINT, MARGIN, TEXT, Strip, Tile, draw_strips, font
from pplr.network.checkpoint import read_model
from pplr.network.classifiers import read_classifiers
from pplr.network.model import ReIDModel, classify
from pplr.runs import Run

NUM_IMAGES, PER_LINE = 8, 4
TILE_HEIGHT, MIN_WIDTH = 224, 112  # pixels
HEADING = "Where the global prediction of an image's cluster looks, by Grad-CAM"
EXPLANATION = (
    "blue: not at all; red: most of the picture; below it the cluster and its predicted probability"
)
COLOURS = "turbo"  # of a heat map, from cold to hot
OPACITY = 0.5  # of a heat map on its image


class Attention(NamedTuple):
    """What a model looks at in B images.

    Parameters
    ----------
    model
        The model's name.
    labels
        (B,) the images' clusters, which it was trained on.
    heat
        (B,h,w) float32, 0 or more.
    probabilities
        (B,) float32, predicted for the images' own clusters.
    """

    model: str
    labels: NDArray[np.int32]
    heat: NDArray[np.float32]
    probabilities: NDArray[np.float32]


def draw_attention(run: Run, *, device: str) -> Image.Image:
    """Return images beside their heat maps by the models of the first and last alternation.

    They are of 8 clusters of the last alternation, spread evenly over all by size: of each its
    first image that has a cluster in both alternations.

    Parameters
    ----------
    run
        Finished: every alternation of its schedule is there.
    device
        Where the models run.

    Raises
    ------
    MissingInputError, DataError
        An array or a model is missing or damaged, or is of others than the rest.
    """
    names = first_and_last(run)
    labels = {name: np.asarray(run.alternation(name).pseudo_labels) for name in names}
    rows = choose_rows(*labels.values())
    if not len(rows):
        words = f"no image has a cluster in alternation {' and in '.join(names)}"
        return draw_strips([Strip(HEADING, [], words=words)], tile=(1, 1))
    images = run.split("train").images[rows]
    found = [_attention(run, name, images, rows, labels[name], device=device) for name in names]
    return draw_images(images, rows, found)


def choose_rows(
    first: NDArray[np.int32], last: NDArray[np.int32] | None = None
) -> NDArray[np.int64]:
    """Return the rows of the images that are shown, by the size of their clusters.

    Parameters
    ----------
    first
        (N,) pseudo-labels of the first alternation, -1 for outliers.
    last
        (N,) those of the last one, if there is another.
    """
    labels = first if last is None else np.where(first >= 0, last, -1)
    clusters = spread_clusters(labels, NUM_IMAGES)
    return np.array([np.argmax(labels == one) for one in clusters], np.int64)


def _attention(
    run: Run,
    name: str,
    images: NDArray[np.uint8],
    rows: NDArray[np.int64],
    labels: NDArray[np.int32],
    *,
    device: str,
) -> Attention:
    path = run.model(name).path
    model = read_model(path)
    classifiers = read_classifiers(path, model, int(labels.max()) + 1)
    heat, probabilities = look(model, classifiers[:1], images, labels[rows], device=device)
    return Attention(name, labels[rows], heat, probabilities)


def look(
    model: ReIDModel,
    classifiers: Tensor,
    images: NDArray[np.uint8],
    labels: NDArray[np.int32],
    *,
    device: str,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return Grad-CAM of each image's own logit, and the probability predicted for it.

    Grad-CAM (Selvaraju et al., ICCV 2017) weighs each channel of the feature map by the mean of
    the logit's gradient by it, and cuts the sum off below 0. It is that of the backbone's last map,
    whatever the backbone.

    Parameters
    ----------
    model
        Moved to `device` and set to evaluation.
    classifiers
        (1,C,D) of the global space.
    images
        (B,H,W,3) uint8.
    labels
        (B,) clusters in 0…C-1.
    device
        Where the model runs.

    Returns
    -------
    heat : NDArray
        (B,h,w) float32, 0 or more.
    probabilities : NDArray
        (B,) float32.
    """
    from captum.attr import LayerGradCam  # a second that readers of this file need not wait

    model.to(device).eval()
    own = classifiers.to(device)
    targets = torch.from_numpy(labels.astype(np.int64)).to(device)

    def logits(inputs: Tensor) -> Tensor:
        return classify(model(inputs)[:, :1], own)[:, 0]  # (B,C)

    inputs = model.normalised(images, device)
    heat = LayerGradCam(logits, model.backbone).attribute(inputs, targets, relu_attributions=True)
    with torch.no_grad():
        probabilities = logits(inputs).softmax(1)[torch.arange(len(images)), targets]
    return heat.detach()[:, 0].cpu().numpy(), probabilities.cpu().numpy()


def draw_images(
    images: NDArray[np.uint8], rows: NDArray[np.int64], found: Sequence[Attention]
) -> Image.Image:
    """Return B images (B,H,W,3) of the rows (B,), each beside what the models look at in it."""
    shape = images.shape[2] / images.shape[1]
    tile = (max(MIN_WIDTH, round(TILE_HEIGHT * shape)), TILE_HEIGHT)
    sheets = []
    for i, row in enumerate(rows):
        maps = [
            Tile(
                heated(images[i], one.heat[i]),
                (
                    f"after {one.model}",
                    f"cluster {one.labels[i]}",
                    f"predicted {one.probabilities[i]:.2f}",
                ),
            )
            for one in found
        ]
        lead = Tile(Image.fromarray(images[i]), ("the image",))
        sheets.append(draw_strips([Strip(f"image {row}", maps, lead=lead)], tile=tile))
    return _in_lines(sheets)


def heated(image: NDArray[np.uint8], heat: NDArray[np.float32]) -> Image.Image:
    """Return an image (H,W,3) below its heat map (h,w), in colours from 0 to the map's highest."""
    size = image.shape[1::-1]
    smooth = Image.fromarray(heat).resize(size, Image.Resampling.BICUBIC)
    shares = np.clip(np.asarray(smooth) / (heat.max() or 1), 0, 1)  # bicubic goes beyond both ends
    colours = (255 * matplotlib.colormaps[COLOURS](shares)[..., :3]).round().astype(np.uint8)
    return Image.blend(Image.fromarray(image), Image.fromarray(colours), OPACITY)


def _in_lines(sheets: Sequence[Image.Image]) -> Image.Image:
    """Return sheets of one size beside and below each other, under the heading."""
    width, height = sheets[0].size
    columns = min(PER_LINE, len(sheets))
    words = ((HEADING, 24, TEXT), (EXPLANATION, 15, FAINT))
    longest = max(round(font(size).getlength(line)) for line, size, _ in words)
    top = 4 * MARGIN
    whole = (max(columns * width, longest + 2 * MARGIN), top - (-len(sheets) // columns) * height)
    picture = Image.new("RGB", whole, BACKGROUND)
    for i, (line, size, colour) in enumerate(words):
        ImageDraw.Draw(picture).text((MARGIN, MARGIN + 34 * i), line, colour, font(size))
    for i, sheet in enumerate(sheets):
        down, right = divmod(i, columns)
        picture.paste(sheet, (right * width, top + down * height))
    return picture
