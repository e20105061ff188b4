import pickle
import urllib.request
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from pplr.errors import WeightsError
from pplr.network.backbones import Backbone, make_backbone
from pplr.network.weights import download_imagenet_weights, load_weights, read_weights

MOBILENET = Path(__file__).parents[3] / "shared" / "weights" / "mobilenet_v2_imagenet.pth"

pytestmark = pytest.mark.usefixtures("one_thread")


def small_backbone():
    """Return a backbone with eight keys: one weight in a, a whole batch norm in b."""
    layers = {"a": nn.Conv2d(3, 2, 1, bias=False), "b": nn.BatchNorm2d(2)}
    return Backbone(layers, num_features=2, num_rows=1)


def small_state(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        key: torch.rand(value.shape, generator=generator)
        if value.is_floating_point()
        else torch.tensor(7)
        for key, value in small_backbone().state_dict().items()
    }


def assert_equal(actual, expected):
    assert set(actual) == set(expected)
    for key in expected:
        torch.testing.assert_close(actual[key], expected[key], rtol=0, atol=0)


# --- load_weights --------------------------------------------------------------------------


def test_a_fitting_state_dict_is_loaded_whole():
    backbone, state = small_backbone(), small_state()
    assert load_weights(backbone, state, where="w.pth") == []
    assert_equal(backbone.state_dict(), state)


def test_half_precision_is_cast():
    backbone, state = small_backbone(), small_state()
    half = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    load_weights(backbone, half, where="w.pth")
    loaded = backbone.state_dict()
    assert loaded["a.weight"].dtype == torch.float32
    torch.testing.assert_close(loaded["a.weight"], half["a.weight"].float(), rtol=0, atol=0)


@pytest.mark.parametrize("classifier", ["fc.weight", "classifier.1.bias", "head.weight"])
def test_other_layers_are_left_out_and_returned(classifier):
    backbone, state = small_backbone(), small_state()
    left_out = load_weights(backbone, state | {classifier: torch.ones(3)}, where="w.pth")
    assert left_out == [classifier]
    assert_equal(backbone.state_dict(), state)


def test_batch_counters_may_be_missing():
    backbone, state = small_backbone(), small_state()
    del state["b.num_batches_tracked"]
    assert load_weights(backbone, state, where="w.pth") == []
    torch.testing.assert_close(backbone.state_dict()["b.bias"], state["b.bias"])


def test_all_that_does_not_fit_is_listed():
    backbone, state = small_backbone(), small_state()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    state["c.weight"] = state.pop("a.weight")
    state["b.bias"] = torch.zeros(5)
    with pytest.raises(WeightsError, match="do not fit the backbone") as caught:
        load_weights(backbone, state, where="w.pth")
    message = str(caught.value)
    assert "where:   w.pth" in message
    assert (
        "found:   1 missing: a.weight; 1 unexpected: c.weight; "
        "1 other shape: b.bias: (5,) instead of (2,)"
    ) in message
    assert "set `backbone`" in message
    assert_equal(backbone.state_dict(), before)  # nothing was loaded


def test_every_missing_key_is_listed():
    with pytest.raises(WeightsError) as caught:
        load_weights(make_backbone("demo_resnet", height=32, width=16), {}, where="w.pth")
    state = make_backbone("demo_resnet", height=32, width=16).state_dict()
    keys = [k for k in state if "batches_tracked" not in k]
    message = str(caught.value)
    assert f"{len(keys)} missing: {', '.join(keys)};" in message
    assert "0 unexpected: none" in message


@pytest.mark.parametrize(("small", "large"), [("resnet18", "resnet34"), ("resnet50", "resnet101")])
def test_a_deeper_networks_weights_do_not_fit_though_all_keys_are_there(small, large):
    # Every key of the smaller network is in the larger one's weights, in the same shape.
    with torch.device("meta"):  # names and shapes without the numbers
        backbone = make_backbone(small, height=32, width=16)
        state = torchvision.models.get_model(large, weights=None).state_dict()
    assert set(backbone.state_dict()) <= set(state)
    with pytest.raises(WeightsError, match=r"0 missing: none; [0-9]+ unexpected: layer"):
        load_weights(backbone, state, where="w.pth")


def test_torchvisions_weights_give_torchvisions_features():
    torch.manual_seed(0)
    network = torchvision.models.resnet18(weights=None).eval()
    backbone = make_backbone("resnet18", height=32, width=16).eval()
    assert load_weights(backbone, network.state_dict(), where="x") == ["fc.weight", "fc.bias"]
    images = torch.rand(1, 3, 64, 32)
    theirs, ours = images, images
    with torch.inference_mode():
        for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3"):
            theirs = network.get_submodule(name)(theirs)
            ours = backbone.get_submodule(name)(ours)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.skipif(not MOBILENET.is_file(), reason="the shared weights are not here")
def test_the_shared_mobilenet_loads_completely():
    backbone = make_backbone("mobilenet_v2", height=32, width=16).eval()
    state = read_weights(MOBILENET)
    assert load_weights(backbone, state, where=str(MOBILENET)) == []
    assert_equal(backbone.state_dict(), state)
    with torch.inference_mode():
        feature_map = backbone(torch.zeros(1, 3, 64, 32))
    assert feature_map.isfinite().all()
    assert feature_map.std() > 0.01


# --- read_weights --------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_files_come_back_as_they_were(tmp_path, suffix, dtype):
    state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in small_state().items()}
    path = tmp_path / f"w{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(state, path)
    assert_equal(read_weights(path), state)


def test_a_training_checkpoint_gives_its_state_dict(tmp_path):
    # As parallel training saves it: below `state_dict`, every key after `module.`
    state = small_state()
    wrapped = {"epoch": 3, "state_dict": {f"module.{key}": v for key, v in state.items()}}
    torch.save(wrapped, tmp_path / "w.pth")
    assert_equal(read_weights(tmp_path / "w.pth"), state)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([1, 2], "a list that is no state dict"),
        ({"a": 1}, "a dict that is no state dict"),
        (torch.zeros(2), "a Tensor that is no state dict"),
        ({"state_dict": {"a": "b"}}, "a dict that is no state dict"),
    ],
)
def test_a_file_of_something_else(tmp_path, content, found):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="The weights cannot be read") as caught:
        read_weights(tmp_path / "w.pth")
    assert f"found:   {found}" in str(caught.value)


class Touch:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("legacy", [False, True])
def test_pickled_code_is_not_run(tmp_path, legacy):
    trace, path = tmp_path / "trace", tmp_path / "w.pth"
    content = {"a.weight": Touch(trace)}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeightsError, match="The weights cannot be read") as caught:
        read_weights(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 5  # torch's own explanation is long
    assert not trace.exists()
    pickle.loads(pickle.dumps(content))
    assert trace.exists()  # it does run where it is allowed to


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_cut_file(tmp_path, name, legacy, share):
    path = tmp_path / name
    if path.suffix == ".safetensors":
        save_file(small_state(), path)
    else:
        torch.save(small_state(), path, _use_new_zipfile_serialization=not legacy)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsError, match="The weights cannot be read"):
        read_weights(path)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "README.md"])
def test_any_bytes_end_in_one_message(tmp_path, name):
    rng = np.random.default_rng(0)
    path = tmp_path / name
    for content in (b"hello world\n", b"{}", *(rng.bytes(n) for n in range(1, 60))):
        path.write_bytes(content)
        with pytest.raises(WeightsError) as caught:
            read_weights(path)
        assert len(str(caught.value).splitlines()) == 5


@pytest.mark.parametrize("name", ["none.pth", "none.safetensors", "folder.pth"])
def test_a_missing_file(tmp_path, name):
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(WeightsError, match="The weights cannot be read") as caught:
        read_weights(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert "--set weights=PATH" in str(caught.value)


# --- download_imagenet_weights: never with a real network -----------------------------------


@pytest.fixture
def torch_home(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)

    def no_network(*_):
        reason = "no network"
        raise URLError(reason)

    monkeypatch.setattr(torch.hub, "urlopen", no_network)
    return tmp_path


@pytest.mark.parametrize("backbone", ["resnet50", "mobilenet_v2"])
def test_without_a_network_there_is_a_way_on(torch_home, backbone):
    with pytest.raises(WeightsError, match="ImageNet weights cannot be had") as caught:
        download_imagenet_weights(backbone)
    message = str(caught.value)
    assert f"where:   weights: imagenet, backbone: {backbone}" in message
    assert "no network" in message
    assert "--set weights=PATH" in message


@pytest.mark.usefixtures("torch_home")
def test_a_backbone_that_torchvision_does_not_have():
    with pytest.raises(WeightsError, match="demo_resnet") as caught:
        download_imagenet_weights("demo_resnet")
    assert "allowed: a backbone with published weights" in str(caught.value)


def test_a_download_that_is_not_the_file_is_refused(torch_home, monkeypatch):
    other = torch_home / "login-page.html"
    other.write_text("<html>")
    page = urllib.request.urlopen(other.as_uri())
    monkeypatch.setattr(torch.hub, "urlopen", lambda *_: page)
    with pytest.raises(WeightsError, match="invalid hash value"):
        download_imagenet_weights("resnet18")


def test_cached_weights_are_used_without_a_network(torch_home):
    cached = torch_home / "hub" / "checkpoints" / "resnet50-0676ba61.pth"  # IMAGENET1K_V1
    cached.parent.mkdir(parents=True)
    torch.save(small_state(), cached)
    assert_equal(download_imagenet_weights("resnet50"), small_state())
