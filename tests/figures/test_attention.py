import copy as copies

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from pplr.errors import DataError, MissingInputError
from pplr.figures import attention
from pplr.figures.attention import Attention, choose_rows, draw_attention, draw_images, heated, look
from pplr.network.backbones import Backbone, make_backbone
from pplr.network.model import ReIDModel, classify
from pplr.runs import open_run
from pplr.settings.writing import format_schedule
from tests.figures.changing import change
from tests.tiny import tiny_schedule

# --- Grad-CAM ------------------------------------------------------------------------------


def channels_model():
    """A model whose map is the red and the green of an image, as numbers from 0 to 255."""
    conv = nn.Conv2d(3, 2, 1, bias=False)
    conv.weight.data = torch.eye(3)[:2, :, None, None].clone()
    backbone = Backbone({"conv": conv}, num_features=2, num_rows=2)
    backbone.mean, backbone.std = (0, 0, 0), (1 / 255, 1 / 255, 1 / 255)
    return ReIDModel(backbone, 1)


def test_by_hand():
    red, green = [[4, 0], [0, 8]], [[0, 4], [2, 8]]
    image = np.stack((red, green, np.zeros((2, 2))), axis=2).astype(np.uint8)
    classifiers = torch.tensor([[[1.0, -1.0], [0.0, 2.0]]])  # (1,C,D)
    images, labels = np.stack((image, image)), np.array([0, 1], np.int32)
    heat, probabilities = look(channels_model(), classifiers, images, labels, device="cpu")
    # The embedding is the mean of each channel, so that a logit's gradient is its classifier / 4:
    # (red - green) / 4, cut off below 0, and 2 green / 4
    np.testing.assert_allclose(heat, [[[1, 0], [0, 0]], [[0, 2], [1, 4]]], rtol=1e-4)
    logits = np.array([3 - 3.5, 2 * 3.5])
    np.testing.assert_allclose(probabilities, np.exp(logits) / np.exp(logits).sum(), rtol=1e-3)
    assert heat.dtype == probabilities.dtype == np.float32


def slow_twin(model, classifier, images, labels):
    """Return Grad-CAM in float64, the gradients' means by finite differences."""
    twin = copies.deepcopy(model).double().eval()
    with torch.no_grad():
        maps = twin.backbone(model.normalised(images, "cpu").double())  # (B,D,h,w)
        size, step = maps[0, 0].numel(), 1e-5
        heat = np.zeros((len(maps), *maps.shape[2:]))
        for i, label in enumerate(labels):

            def logit(feature_maps, *, label=label):
                pooled = twin.bnnecks[0](twin.pooling(feature_maps))
                return pooled @ classifier[0, label].double()

            change = step * torch.eye(maps.shape[1], dtype=torch.float64)[:, :, None, None]
            slopes = (logit(maps[i] + change) - logit(maps[i] - change)) / (2 * step)  # (D,)
            for channel, slope in enumerate(slopes):
                heat[i] += (slope / size * maps[i, channel]).numpy()
    return np.maximum(heat, 0)


BACKBONES = [
    ("demo_resnet", "mean"),
    ("demo_resnet", "gem"),  # whose gradient is another at each place
    ("resnet18", "mean"),
    ("timm/test_vit", "mean"),
    ("timm/test_resnet", "mean"),
]


@pytest.mark.parametrize(("name", "pooling"), BACKBONES)
def test_a_slow_twin_whatever_the_backbone(name, pooling):
    torch.manual_seed(0)
    model = ReIDModel(make_backbone(name, height=64, width=32), 2, pooling=pooling)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1, 64, 32, 3), np.uint8).repeat(2, axis=0)
    labels = np.array([2, 0], np.int32)
    classifiers = torch.randn(3, 3, model.backbone.num_features)
    classifiers[:, 0] = -classifiers[:, 2]  # so that it is hot for one of them at least
    before = images.copy(), {key: value.clone() for key, value in model.state_dict().items()}
    heat, probabilities = look(model, classifiers[:1], images, labels, device="cpu")
    wanted = slow_twin(model, classifiers, images, labels)
    np.testing.assert_allclose(heat, wanted, rtol=1e-3, atol=1e-3 * wanted.max())
    assert wanted.max() > 0
    with torch.no_grad():
        logits = classify(model(model.normalised(images, "cpu")), classifiers)[:, 0]
    np.testing.assert_allclose(probabilities, logits.softmax(1)[[0, 1], labels], rtol=1e-5)
    # nothing is left behind: no gradients, no running statistics, no hooks
    assert np.array_equal(images, before[0])
    assert all(torch.equal(value, before[1][key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.backbone._forward_hooks


# --- which images --------------------------------------------------------------------------


def test_rows_by_hand():
    first = np.array([-1, 0, 0, -1, 1, 1, 0], np.int32)
    last = np.array([0, 0, 0, 1, -1, 2, 2], np.int32)
    # in both: image 1 and 2 in cluster 0, image 5 and 6 in cluster 2, none in cluster 1
    assert choose_rows(first, last).tolist() == [1, 5]
    assert choose_rows(first).tolist() == [1, 4]  # of three and of two images
    assert choose_rows(first, np.full(7, -1, np.int32)).tolist() == []


def test_of_many_clusters_eight_are_chosen_evenly():
    labels = np.repeat(np.arange(36), 1 + np.arange(36)).astype(np.int32)
    rows = choose_rows(labels, labels)
    assert labels[rows].tolist() == [35, 31, 26, 22, 17, 13, 8, 4]
    assert all(labels[row - 1] != labels[row] for row in rows if row)  # the first of each


# --- the picture ---------------------------------------------------------------------------


def test_heat_by_hand():
    image = np.full((8, 4, 3), 100, np.uint8)
    colours = np.asarray(heated(image, np.array([[0, 0], [0, 2]], np.float32))).astype(int)
    assert colours.shape == (8, 4, 3)
    cold, hot = colours[0, 0], colours[-1, -1]
    assert cold.argmax() == 2  # blue
    assert hot.argmax() == 0  # red
    twice = heated(image, np.array([[0, 0], [0, 4]], np.float32))
    assert np.array_equal(np.asarray(twice), colours)  # each by its own highest


def test_no_heat_is_cold_everywhere():
    image = np.zeros((8, 4, 3), np.uint8)
    colours = np.asarray(heated(image, np.zeros((2, 1), np.float32)))
    assert len(np.unique(colours.reshape(-1, 3), axis=0)) == 1


@pytest.fixture
def said(monkeypatch):
    """The strips that are drawn."""
    strips = []
    draw = attention.draw_strips

    def listen(some, **sizes):
        strips.extend(some)
        return draw(some, **sizes)

    monkeypatch.setattr(attention, "draw_strips", listen)
    return strips


@pytest.mark.parametrize(
    ("size", "models", "count", "wanted"),
    [
        # a strip: margin, lead, 30, the maps with gaps of 10, margin; 34 + tile + 8 + 3 lines + 30
        ((128, 64), 2, 8, (4 * (2 * 20 + 3 * 112 + 40), 80 + 2 * (20 + 34 + 224 + 65 + 30))),
        ((128, 64), 1, 5, (4 * (2 * 20 + 2 * 112 + 30), 80 + 2 * (20 + 34 + 224 + 65 + 30))),
        ((64, 64), 2, 2, (2 * (2 * 20 + 3 * 224 + 40), 80 + 20 + 34 + 224 + 65 + 30)),
        ((256, 64), 2, 4, (4 * (2 * 20 + 3 * 112 + 40), 80 + 20 + 34 + 224 + 65 + 30)),
    ],
)
def test_sizes(size, models, count, wanted):
    images = np.zeros((count, *size, 3), np.uint8)
    heat = np.ones((count, 2, 2), np.float32)
    labels = np.zeros(count, np.int32)
    found = [Attention("00", labels, heat, np.ones(count, np.float32)) for _ in range(models)]
    assert draw_images(images, np.arange(count), found).size == wanted


def test_a_narrow_picture_has_room_for_the_heading():
    one = Attention("00", np.zeros(1, np.int32), np.ones((1, 2, 1), np.float32), np.ones(1))
    picture = draw_images(np.zeros((1, 32, 16, 3), np.uint8), np.arange(1), [one])
    right = np.asarray(picture)[:80, -20:]
    assert picture.width > 700
    assert (right == 255).all()  # the margin


def test_the_words_below_each_picture(said):
    labels = np.array([3, 12], np.int32)
    heat = np.ones((2, 2, 1), np.float32)
    found = [
        Attention("00", labels, heat, np.array([0.25, 0.5])),
        Attention("07", labels[::-1], heat, np.array([0.875, 1.0])),
    ]
    draw_images(np.zeros((2, 8, 4, 3), np.uint8), np.array([4, 90]), found)
    assert [strip.title for strip in said] == ["image 4", "image 90"]
    assert [tile.words for tile in said[0].tiles] == [
        ("after 00", "cluster 3", "predicted 0.25"),
        ("after 07", "cluster 12", "predicted 0.88"),
    ]
    assert [tile.words[1] for tile in said[1].tiles] == ["cluster 12", "cluster 3"]


# --- of a run ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def picture(tiny_run):
    """The picture that the stage has drawn."""
    with Image.open(open_run(tiny_run).paths.figure("attention")) as image:
        assert image.info == {}  # no date and no version
        return image.copy()


def test_the_picture_of_a_run(tiny_run, picture, said):
    run = open_run(tiny_run)
    assert draw_attention(run, device="cpu").tobytes() == picture.tobytes()
    assert picture.mode == "RGB"
    first, last = (np.array(run.alternation(name).pseudo_labels) for name in ("00", "01"))
    rows = choose_rows(first, last)
    assert len(rows) == 8
    assert [strip.title for strip in said] == [f"image {row}" for row in rows]
    for row, strip in zip(rows, said, strict=True):
        words = [tile.words[:2] for tile in strip.tiles]
        wanted = [("after 00", f"cluster {first[row]}"), ("after 01", f"cluster {last[row]}")]
        assert words == wanted
    predicted = [float(strip.tiles[1].words[2].split()[1]) for strip in said]
    assert np.mean(predicted) > 1 / (1 + last.max())  # better than by chance


def test_another_label_is_another_picture(copy, picture):
    labels = np.array(copy.alternation("01").pseudo_labels)
    row = choose_rows(np.array(copy.alternation("00").pseudo_labels), labels)[0]
    other = labels.copy()
    other[row] = (labels[row] + 1) % (labels.max() + 1)
    assert (np.bincount(other) > 0).all()
    change(copy, "01", "pseudo_labels", other)
    assert draw_attention(copy, device="cpu").tobytes() != picture.tobytes()


def test_one_alternation_is_one_column(copy, picture, said):
    copy.paths.schedule.write_text(format_schedule(tiny_schedule(epochs=1)))
    once = draw_attention(open_run(copy.paths.root), device="cpu")
    assert [len(strip.tiles) for strip in said] == [1] * 8
    assert once.size == (4 * (2 * 20 + 2 * 112 + 30), picture.height)


@pytest.mark.parametrize("name", ["00", "01"])
def test_no_image_in_a_cluster_is_a_picture_that_says_so(copy, said, name):
    change(copy, name, "pseudo_labels", np.full(48, -1))
    assert draw_attention(copy, device="cpu").width > 300
    (strip,) = said
    assert strip.words == "no image has a cluster in alternation 00 and in 01"


def test_another_number_of_clusters_is_one_error(copy):
    labels = np.array(copy.alternation("01").pseudo_labels)
    labels[labels == labels.max()] = -1
    change(copy, "01", "pseudo_labels", labels)
    with pytest.raises(DataError, match="classifiers are not those of its clusters") as error:
        draw_attention(copy, device="cpu")
    assert "models/01/classifiers.safetensors" in str(error.value)


def test_a_model_that_is_not_there_is_one_error(copy):
    copy.paths.model("01").rename(copy.paths.root / "elsewhere")
    with pytest.raises(MissingInputError, match="no such model"):
        draw_attention(copy, device="cpu")
