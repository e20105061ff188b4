"""Which model is taken, and what is known of it."""

import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from pplr.errors import DataError, MissingInputError, SettingError
from pplr.inference.images import read_image
from pplr.inference.models import git_revision, open_model
from pplr.inference.search import open_gallery, read_queries, search
from pplr.storage.layout import RunPaths
from tests.tiny import working_in


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("", "01"),
        ("init", "init"),
        ("00", "00"),
        ("data/models/00", "00"),
        ("data/models/01/", "01"),
    ],
)
def test_a_model_by_its_name_or_folder(tiny_run, word, name):
    with working_in(tiny_run):
        model = open_model(word)
    assert model.name == name
    assert model.size == (32, 64)
    assert model.run.paths.root == tiny_run
    assert not model.network.training


def test_a_model_outside_a_run_is_none_of_it(tiny_run, tmp_path):
    copy = tmp_path / "mine"
    shutil.copytree(RunPaths(tiny_run).model("01"), copy)
    model = open_model(str(copy), root=tmp_path)
    assert (model.name, model.run, model.revision) == ("mine", None, None)
    assert model.checksum == open_model("01", root=tiny_run).checksum
    assert model.checksum != open_model("00", root=tiny_run).checksum


@pytest.mark.parametrize("word", ["02", "data/models/07", "data", "nowhere"])
def test_a_model_that_is_not_there(tiny_run, word):
    with working_in(tiny_run), pytest.raises(MissingInputError, match="no such model") as caught:
        open_model(word)
    assert f"found:   {word}\n" in str(caught.value)
    assert "allowed: init | 00 | 01, or a model's folder" in str(caught.value)


@pytest.mark.parametrize("has_settings", [True, False])
def test_no_model_yet(tiny_run, tmp_path, has_settings):
    if has_settings:
        for name in ("params.yaml", "schedule.yaml"):
            shutil.copy(tiny_run / name, tmp_path)
    with pytest.raises(MissingInputError, match="There is no model here yet") as caught:
        open_model(root=tmp_path)
    assert f"where:   {tmp_path}\n" in str(caught.value)
    assert "next:    run `dvc repro`" in str(caught.value)


def test_a_damaged_model_is_refused(tiny_run, tmp_path):
    shutil.copytree(RunPaths(tiny_run).model("00"), tmp_path / "00")
    weights = tmp_path / "00" / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    with pytest.raises(DataError, match=r"weights\.safetensors"):
        open_model(str(tmp_path / "00"))


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "cuda:x", "CPU", ""])
def test_a_device_that_is_not_there(device):
    with pytest.raises(SettingError, match="torch cannot use this device") as caught:
        open_model("01", device=device)
    assert "where:   --device\n" in str(caught.value)


def test_the_revision_says_whether_files_were_changed(tmp_path):
    assert git_revision(tmp_path) is None
    assert git_revision(tmp_path / "nowhere") is None

    def git(*words):
        who = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
        done = subprocess.run(
            ["git", *who, *words], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("init", "-q")
    assert git_revision(tmp_path) is None  # no commit yet
    (tmp_path / "a").write_text("1")
    git("add", ".")
    git("commit", "-qm", "x")
    git("tag", "-a", "v1", "-m", "x")
    commit = git("rev-parse", "HEAD")
    assert git_revision(tmp_path) == commit
    (tmp_path / "a").write_text("2")
    assert git_revision(tmp_path) == f"{commit}-dirty"


def test_features_are_normalised_in_every_space(model):
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 32, 3), np.uint8)
    features = model.features(images)
    assert features.shape == (3, 4, 512)
    np.testing.assert_allclose(np.linalg.norm(features, axis=2), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda images: images.astype(np.float32) / 255, "float32 (2, {H}, {W}, 3)"),
        (lambda images: images[0], "uint8 ({H}, {W}, 3)"),
        (lambda images: images.repeat(2, axis=1), "uint8 (2, {H2}, {W}, 3)"),
        (lambda images: images.transpose(0, 3, 1, 2), "uint8 (2, 3, {H}, {W})"),
    ],
    ids=["scaled", "single", "of another size", "channels first"],
)
def test_other_images_are_refused(model, change, found):
    width, height = model.size
    with pytest.raises(DataError, match="no images as this model takes them") as error:
        model.features(change(np.zeros((2, height, width, 3), np.uint8)))
    assert found.format(H=height, W=width, H2=2 * height) in str(error.value)
    assert f"uint8 (B, {height}, {width}, 3)" in str(error.value)


def test_a_file_may_be_named_by_a_string(model, tmp_path):
    width, height = model.size
    Image.new("RGB", (width, height), "red").save(tmp_path / "red.png")
    image = read_image(f"{tmp_path}/red.png", model.size)
    assert image.shape == (height, width, 3)
    queries = read_queries(model, [f"{tmp_path}/red.png"])
    (answer,) = search(model, queries, open_gallery(model, f"{tmp_path}"), k=1)
    assert answer.query == tmp_path / "red.png"
