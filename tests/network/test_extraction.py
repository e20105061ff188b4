import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pplr.errors import DataError
from pplr.network import extraction as features_module
from pplr.network.backbones import make_backbone
from pplr.network.extraction import extract_features, extract_global_features
from pplr.network.model import ReIDModel
from pplr.network.normalising import IMAGENET_MEAN, IMAGENET_STD, to_normalised
from pplr.storage.images import PackedImages
from tests.packing import write_split

N, P, D = 7, 2, 512


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (N, 32, 16, 3), dtype=np.uint8)


def pack(folder, pixels):
    columns = {"pids": np.ones(len(pixels), np.int32), "camids": np.zeros(len(pixels), np.int32)}
    paths = [f"{i}.jpg" for i in range(len(pixels))]
    write_split(folder, pixels, columns=columns, paths=paths)
    return PackedImages(folder)


@pytest.fixture(scope="module")
def images(tmp_path_factory, pixels):
    return pack(tmp_path_factory.mktemp("images") / "train", pixels)


@pytest.fixture(scope="module")
def model():
    """Return a model whose necks have seen images, in training as an epoch leaves it."""
    torch.manual_seed(0)
    model = ReIDModel(make_backbone("demo_resnet", height=32, width=16), P).train()
    with torch.no_grad():
        model(torch.randn(8, 3, 32, 16))
    return model


def extract(model, images, *, dtype="float32"):
    return extract_features(
        model, images, device="cpu", precision="float32", dtype=dtype, what="train"
    )


def test_features_are_normalised(model, images):
    global_features, part_features = extract(model, images)
    assert global_features.shape == (N, D)
    assert part_features.shape == (N, P, D)
    assert global_features.dtype == part_features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(global_features, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(part_features, axis=2), 1, atol=1e-5)
    assert np.ptp(global_features, axis=0).max() > 0.01  # images differ


def test_row_i_is_image_i(model, images, pixels):
    global_features, part_features = extract(model, images)
    model.eval()
    with torch.inference_mode():
        for i in range(N):
            embeddings = model(to_normalised(pixels[i : i + 1], "cpu"))[0].double().numpy()
            embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
            np.testing.assert_allclose(global_features[i], embeddings[0], atol=1e-5)
            np.testing.assert_allclose(part_features[i], embeddings[1:], atol=1e-5)


def test_images_are_normalised_as_the_backbones_weights_want_it(model, images, pixels):
    plain, _ = extract(model, images)
    other = copy.deepcopy(model)
    mean, std = (0.5, 0.25, 0.75), (0.1, 0.3, 0.2)
    other.backbone.mean, other.backbone.std = mean, std
    global_features, _ = extract(other, images)
    with torch.inference_mode():
        embeddings = other(to_normalised(pixels, "cpu", mean=mean, std=std))[:, 0]
    expected = torch.nn.functional.normalize(embeddings, dim=1).numpy()
    np.testing.assert_allclose(global_features, expected, atol=1e-5)
    assert np.abs(global_features - plain).max() > 0.01


def test_rows_follow_the_images(model, images, pixels, tmp_path):
    order = np.array([3, 0, 6, 1, 5, 2, 4])
    shuffled = pack(tmp_path / "train", pixels[order])
    for ours, theirs in zip(extract(model, shuffled), extract(model, images), strict=True):
        np.testing.assert_allclose(ours, theirs[order], atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3, 6, 7])
def test_batch_boundaries_make_no_difference(monkeypatch, model, images, batch_size):
    together = extract(model, images)
    monkeypatch.setattr(features_module, "BATCH_SIZE", batch_size)
    for ours, theirs in zip(extract(model, images), together, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_float16_is_the_rounded_float32(model, images):
    for half, whole in zip(
        extract(model, images, dtype="float16"), extract(model, images), strict=True
    ):
        assert half.dtype == np.float16
        np.testing.assert_array_equal(half, whole.astype(np.float16))
        assert (half != whole).any()


def test_bfloat16_is_near_float32(model, images):
    whole = extract(model, images)
    settings = {"device": "cpu", "precision": "bfloat16", "dtype": "float32", "what": "train"}
    half = extract_features(model, images, **settings)
    for one, other in zip(half, whole, strict=True):
        assert not np.array_equal(one, other)
        np.testing.assert_allclose(one, other, atol=0.02)


def test_a_process_without_images_does_not_run_the_model(monkeypatch, model, images):
    """In the last round there may be none for it; a network of timm's may not take none."""
    whole = torch.arange(N * (1 + P) * D).reshape(N, 1 + P, D).float()

    def gathered(own, counts):
        assert own.shape == (0, 1 + P, D)
        assert counts == [N, 0]
        return whole

    monkeypatch.setattr(features_module, "world_size", lambda: 2)
    monkeypatch.setattr(features_module, "rank", lambda: 1)
    monkeypatch.setattr(features_module, "unit_features", None)
    monkeypatch.setattr(features_module, "gather_rows", gathered)
    global_features, part_features = extract(model, images)
    np.testing.assert_array_equal(global_features, whole[:, 0])
    np.testing.assert_array_equal(part_features, whole[:, 1:])


def test_global_features_alone_are_the_same(model, images):
    alone = extract_global_features(model, images, device="cpu", what="query")
    assert alone.dtype == np.float32
    np.testing.assert_array_equal(alone, extract(model, images)[0])


def test_the_same_twice(model, images):
    for first, second in zip(extract(model, images), extract(model, images), strict=True):
        np.testing.assert_array_equal(first, second)


def test_extraction_leaves_the_models_numbers_untouched(model, images):
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    extract(model, images)
    after = model.state_dict()
    assert before["bnnecks.0.running_mean"].abs().max() > 0
    for key, value in before.items():
        assert torch.equal(after[key], value), key
    assert not model.training


def test_the_model_can_be_trained_afterwards(model, images):
    extract(model, images)
    model.train()(torch.zeros(2, 3, 32, 16)).sum().backward()
    assert next(model.parameters()).grad is not None
    model.zero_grad()


def test_progress_names_the_images(model, images, capsys):
    extract(model, images)
    assert capsys.readouterr().err.startswith("extracting train: 1/1")


def test_features_that_are_no_numbers_name_their_image(images):
    class Overflowing(torch.nn.Module):
        """A model of finite weights whose activations overflow for some images."""

        backbone = SimpleNamespace(num_features=4, mean=IMAGENET_MEAN, std=IMAGENET_STD)
        normalised = ReIDModel.normalised
        num_parts = 1
        start = 0

        def forward(self, images):
            embeddings = torch.ones(len(images), 2, 4)
            embeddings[np.arange(self.start, self.start + len(images)) >= 3, 1, 2] = torch.nan
            self.start += len(images)
            return embeddings

    model = Overflowing()
    with pytest.raises(DataError, match="features that are NaN or infinite") as caught:
        extract(model, images)
    assert "found:   image 3 is the first of" in str(caught.value)
