"""Exported models: their features are the original's, and what differs is not written."""

import copy
import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from pplr.errors import DataError, SettingError
from pplr.inference import export as exporting
from pplr.inference.card import CARD
from pplr.inference.export import FORMATS, export_model, sample_images
from pplr.inference.images import FolderFeatures, read_image
from pplr.inference.models import FinishedModel, open_model
from pplr.network.backbones import Backbone, make_backbone
from pplr.network.checkpoint import write_model
from pplr.network.model import ReIDModel
from pplr.network.weight_files import read_weights
from pplr.network.weights import load_backbone
from tests.inference.people import draw_people
from tests.network.small import small_backbone, small_state
from tests.packing import files_below
from tests.tiny import ROOT


def small_network(backbone):
    """Return a model of three parts, in whose 64 rows they do not go, with a power mean."""
    torch.manual_seed(0)
    network = ReIDModel(backbone, 3, pooling="gem").train()
    with torch.no_grad():
        network(torch.randn(8, 3, 64, 32))  # so that the necks are not all alike
    return network.eval()


@pytest.fixture(scope="module")
def small(model) -> FinishedModel:
    """The tiny run's model, with a network of two layers in its place."""
    backbone = small_backbone()
    backbone.load_state_dict(small_state())
    backbone.mean, backbone.std = (0.5, 0.25, 0.75), (0.1, 0.3, 0.2)
    return replace(model, network=small_network(backbone))


@pytest.fixture(scope="module", params=["torch", pytest.param("onnx", marks=pytest.mark.slow)])
def exported(request, small, tmp_path_factory):
    """The format, and the folder of an exported small model."""
    folder = tmp_path_factory.mktemp("exported") / request.param
    file, check = export_model(small, folder, request.param)
    assert (file, check.num_images, check.are_real) == (folder / file.name, 5, True)
    assert check.difference < 1e-5
    return request.param, folder


def load(form, folder):
    """Return what runs an exported model."""
    return FORMATS[form].read(folder / FORMATS[form].file)


@pytest.mark.parametrize("num_images", [1, 2, 9])
def test_features_are_the_originals_of_any_number_of_images(small, exported, num_images):
    images = np.random.default_rng(1).integers(0, 256, (num_images, 64, 32, 3), np.uint8)
    before = images.copy()
    global_features, part_features = load(*exported)(images)
    expected = small.features(images)
    np.testing.assert_allclose(global_features, expected[:, 0], atol=1e-5)
    np.testing.assert_allclose(part_features, expected[:, 1:], atol=1e-5)
    assert np.ptp(expected, axis=1).max() > 0.01  # spaces differ
    np.testing.assert_array_equal(images, before)


def test_a_file_says_what_it_takes(small, exported):
    form, folder = exported
    notes = {"input": "", "output": "", "model": ""}
    if form == "torch":
        torch.export.load(folder / "model.pt2", extra_files=notes)
    else:
        import onnxruntime

        session = onnxruntime.InferenceSession(folder / "model.onnx")
        (given,) = session.get_inputs()
        assert (given.name, given.type) == ("images", "tensor(uint8)")
        assert given.shape == ["batch", 64, 32, 3]
        assert [(one.name, one.shape) for one in session.get_outputs()] == [
            ("global", ["batch", 2]),
            ("parts", ["batch", 3, 2]),
        ]
        notes = session.get_modelmeta().custom_metadata_map
    assert "do not normalise it yourself" in notes["input"]
    assert "L2-normalised" in notes["output"]
    assert json.loads(notes["model"])["checksum"] == small.checksum


@pytest.mark.slow
def test_the_example_of_the_card_runs_without_pplr(small, exported, people, tmp_path):
    form, folder = exported
    card = (folder / CARD).read_text()
    code = card.partition("```python\n")[2].partition("```")[0]
    assert len(code.splitlines()) <= 12
    files = sorted(people.rglob("*.jpg"))[:2]
    for file, name in zip(files, "ab", strict=True):
        (tmp_path / f"{name}.jpg").write_bytes(file.read_bytes())
    (tmp_path / FORMATS[form].file).write_bytes((folder / FORMATS[form].file).read_bytes())
    code += "import sys; assert 'pplr' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    a, b = (small.features(read_image(file, small.size)[None])[0, 0] for file in files)
    assert float(done.stdout) == pytest.approx(np.linalg.norm(a - b), abs=1e-4)


# --- what is not written -------------------------------------------------------------------


@pytest.mark.parametrize("error", [2e-4, -1, np.nan])
def test_an_export_that_differs_leaves_nothing(small, tmp_path, monkeypatch, error):
    form = FORMATS["torch"]

    def read(path):
        run = form.read(path)

        def differs(images):
            global_features, part_features = run(images)
            if len(images) > 1:  # of a single image it is right
                part_features[-1, 0, 0] += error
            return global_features, part_features

        return differs

    monkeypatch.setitem(exporting.FORMATS, "torch", form._replace(read=read))
    with pytest.raises(DataError, match="other features than the original") as caught:
        export_model(small, tmp_path / "x", "torch")
    assert "allowed: at most 0.0001\n" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


class Wilful(Backbone):
    """Branches by what is in the image, which no graph can hold."""

    def forward(self, images):
        maps = super().forward(images)
        return maps if maps.mean() > 0 else -maps


@pytest.mark.parametrize("form", FORMATS)
def test_what_cannot_be_exported_is_one_error(small, tmp_path, form):
    layers = dict(small_backbone().named_children())
    network = small_network(Wilful(layers, num_features=2, num_rows=1))
    with pytest.raises(DataError, match="This model cannot be exported") as caught:
        export_model(replace(small, network=network), tmp_path / "x", form)
    assert len(str(caught.value).splitlines()) == 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_library_is_named(small, tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SettingError, match="library that is not installed") as caught:
        export_model(small, tmp_path / "x", "onnx")
    assert f"found:   no {name}\n" in str(caught.value)
    assert "pip install -e '.[onnx]'" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_only_an_export_is_replaced_and_only_by_force(small, exported, tmp_path):
    form, written = exported
    folder = shutil.copytree(written, tmp_path / "x")
    with pytest.raises(DataError, match="or replace it with --force"):
        export_model(small, folder, form)
    assert files_below(folder) == files_below(written)
    if form == "torch":  # which is the faster one
        export_model(small, folder, form, force=True)
        assert sorted(files_below(folder)) == sorted(files_below(written))
    edited = shutil.copytree(written, tmp_path / "edited")
    with (edited / CARD).open("a") as card:
        card.write("mine")
    with pytest.raises(DataError, match="which is yours"):
        export_model(small, edited, form, force=True)
    assert (edited / CARD).read_text().endswith("mine")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="which is yours"):
        export_model(small, folder, form, force=True)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / CARD).write_text("mine")
    with pytest.raises(DataError, match="which is yours"):
        export_model(small, tmp_path / "own", form, force=True)
    assert (tmp_path / "own" / CARD).read_text() == "mine"


# --- images to compare on ------------------------------------------------------------------


def test_images_are_the_runs_or_noise(model):
    images, are_real = sample_images(model)
    assert (images.shape, are_real) == ((5, 64, 32, 3), True)
    np.testing.assert_array_equal(images[0], model.run.split("train").images[0])
    other = replace(model, settings={**model.settings, "height": 128})
    noise, are_real = sample_images(other)
    assert (noise.shape, are_real) == ((5, 128, 32, 3), False)
    assert not sample_images(replace(model, run=None))[1]


# --- real networks -------------------------------------------------------------------------

IMAGES = ROOT.parent / "shared" / "data" / "pku-reid" / "query"
WEIGHTS = ROOT.parent / "shared" / "weights" / "mobilenet_v2_imagenet.pth"


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("backbone", "pooling"),
    [
        ("resnet50", "mean"),
        ("resnet50_ibn", "gem"),
        ("mobilenet_v2", "mean"),
        ("timm/vit_small_patch16_224", "mean"),
        ("demo_resnet", "gem"),
    ],
)
def test_real_networks_on_real_images(backbone, pooling, form, tmp_path):
    size = {"height": 256, "width": 128}
    torch.manual_seed(0)
    network = ReIDModel(make_backbone(backbone, **size), 3, pooling=pooling).train()
    if backbone == "mobilenet_v2" and WEIGHTS.is_file():
        load_backbone(network.backbone, read_weights(WEIGHTS), where=str(WEIGHTS))
    with torch.no_grad():
        network(torch.randn(4, 3, 256, 128))
    colours = {"mean": network.backbone.mean, "std": network.backbone.std}
    settings = {"backbone": backbone, **size, "num_parts": 3, "pooling": pooling, **colours}
    write_model(tmp_path / "model", network, settings)
    model = open_model(str(tmp_path / "model"), root=tmp_path)
    _, check = export_model(model, tmp_path / "exported", form)
    assert check.difference <= 1e-4
    folder = IMAGES if IMAGES.is_dir() else draw_people(tmp_path / "people")
    table = FolderFeatures(model, folder).table
    files = [folder / path for path in table.paths[:: max(1, len(table) // 6)]]
    images = np.stack([read_image(file, model.size) for file in files])
    expected = model.features(images)
    found = load(form, tmp_path / "exported")(copy.deepcopy(images))
    assert np.abs(found[0] - expected[:, 0]).max() <= 1e-4
    assert np.abs(found[1] - expected[:, 1:]).max() <= 1e-4
    assert np.linalg.norm(expected[0, 0] - expected[-1, 0]) > 1e-2  # images differ
    with Image.open(files[0]) as one:
        assert one.size != model.size  # so that they were resized
