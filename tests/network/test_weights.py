import urllib.request
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision
from torch.nn.functional import interpolate

from pplr.errors import WeightsError
from pplr.network.backbones import make_backbone
from pplr.network.checkpoint import write_model
from pplr.network.model import ReIDModel
from pplr.network.weight_files import read_weights
from pplr.network.weights import download_weights, load_backbone, load_weights, pretrained_state
from tests.network.small import assert_equal, small_backbone, small_state

MOBILENET = Path(__file__).parents[3] / "shared" / "weights" / "mobilenet_v2_imagenet.pth"


def found_lines(error):
    """Return the lines of an error's found part."""
    return [line.strip() for line in error.value.split("\n")]


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
    assert found_lines(caught.value) == [
        "1 missing: a.weight",
        "0 unexpected: none",  # c is a layer that the network does not have
        "1 of another shape: b.bias (5,) instead of (2,)",
        "6 in the file: b.weight, b.bias, b.running_mean, … and 3 more",
        "6 in the network: a.weight, b.weight, b.bias, … and 3 more",
    ]
    assert "set `backbone`" in message
    assert_equal(backbone.state_dict(), before)  # nothing was loaded


def test_long_lists_are_cut_to_what_can_be_read():
    backbone = make_backbone("resnet50", height=32, width=16)
    long = {f"layer1.{'x' * 300}\n{i}": torch.ones(1) for i in range(500)}
    with pytest.raises(WeightsError) as caught:
        load_weights(backbone, long, where="w.pth")
    lines = str(caught.value).splitlines()
    assert len(lines) <= 10
    assert max(map(len, lines)) <= 180
    assert found_lines(caught.value)[0].startswith("265 missing: conv1.weight, bn1.weight, bn1.bi")
    assert found_lines(caught.value)[1].endswith("… and 497 more")


@pytest.mark.parametrize(("small", "large"), [("resnet18", "resnet34"), ("resnet50", "resnet101")])
def test_a_deeper_networks_weights_do_not_fit_though_all_keys_are_there(small, large):
    # Every key of the smaller network is in the larger one's weights, in the same shape.
    with torch.device("meta"):  # names and shapes without the numbers
        backbone = make_backbone(small, height=32, width=16)
        named = torchvision.models.get_model(large, weights=None).state_dict()
    state = {name: torch.zeros(one.shape, dtype=one.dtype) for name, one in named.items()}
    assert set(backbone.state_dict()) <= set(state)
    with pytest.raises(WeightsError, match=r"0 missing: none\n +[0-9]+ unexpected: layer"):
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


# --- what the weights are called, and what they are -----------------------------------------


PREFIXES = ("module.", "backbone.", "base.", "encoder.", "model.")


@pytest.mark.parametrize("prefix", ["", *PREFIXES, "module.model.", "model.backbone.base."])
def test_the_backbone_of_a_larger_model_is_found(prefix):
    backbone, state = small_backbone(), small_state()
    whole = {f"{prefix}{key}": value for key, value in state.items()}
    other = {f"{prefix}fc.weight": torch.ones(3), "bnneck.weight": torch.ones(2)}
    left_out = load_backbone(backbone, whole | other, where="w.pth")
    assert_equal(backbone.state_dict(), state)
    assert left_out == ["fc.weight", "bnneck.weight"]


@pytest.mark.parametrize("prefix", ["encoder_q.", "module.teacher.", "student.backbone."])
def test_a_prefix_that_could_be_one_of_several_is_named(prefix):
    state = {f"{prefix}{key}": value for key, value in small_state().items()}
    with pytest.raises(WeightsError, match="do not fit the backbone") as caught:
        load_backbone(small_backbone(), state | {"epoch": torch.ones(1)}, where="w.pth")
    assert f"next:    6 of 6 keys fit behind `{prefix}`: save those alone" in str(caught.value)


def test_a_layer_within_the_prefix_may_not_have_other_keys():
    state = {f"module.{key}": value for key, value in small_state().items()}
    with pytest.raises(WeightsError, match=r"1 unexpected: a\.extra"):
        load_backbone(small_backbone(), state | {"module.a.extra": torch.ones(1)}, where="w.pth")


@pytest.mark.parametrize("name", ["demo_resnet", "timm/test_vit"])
def test_a_model_of_ours_with_other_parts_gives_its_backbone(tmp_path, name):
    size = {"height": 64, "width": 32}
    model = ReIDModel(make_backbone(name, **size), 5)
    write_model(tmp_path / "07", model, {"backbone": name, **size, "num_parts": 5})
    path = tmp_path / "07" / "weights.safetensors"
    backbone = make_backbone(name, **size)
    left_out = load_backbone(backbone, read_weights(path), where=str(path))
    assert_equal(backbone.state_dict(), model.backbone.state_dict())
    assert len(left_out) == 6 * 5
    assert all(key.startswith("bnnecks.") for key in left_out)


def test_a_model_of_ours_knows_the_size_it_was_trained_at(tmp_path):
    # 40 patches either way; 10 x 4, which is no square, becomes 4 x 10
    size = {"height": 160, "width": 64}
    model = ReIDModel(make_backbone("timm/test_vit", **size), 2)
    settings = {"backbone": "timm/test_vit", **size, "num_parts": 2}
    write_model(tmp_path / "07", model, settings)
    path = tmp_path / "07" / "weights.safetensors"
    turned = make_backbone("timm/test_vit", height=64, width=160)
    load_backbone(turned, read_weights(path), where=str(path))
    given, found = model.backbone.network.pos_embed, turned.network.pos_embed
    grid = given[:, 1:].mT.unflatten(2, (10, 4))
    expected = interpolate(grid, (4, 10), mode="bicubic", antialias=True)
    torch.testing.assert_close(found[:, 1:], expected.flatten(2).mT, rtol=1e-5, atol=1e-5)


DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("key", ["a.weight", "b.running_var"])
def test_values_that_are_no_numbers_are_refused_at_the_entry(dtype, value, key):
    backbone, state = small_backbone(), small_state()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    state[key] = state[key].to(dtype)
    state[key].view(-1)[1] = value
    with pytest.raises(WeightsError, match="The weights hold NaN or infinite values") as caught:
        load_backbone(backbone, state, where="w.pth")
    assert "where:   w.pth" in str(caught.value)
    size = state[key].numel()
    assert f"found:   {key}: 1 of {size} values as float32" in str(caught.value)
    assert_equal(backbone.state_dict(), before)


def test_a_double_that_is_too_large_for_a_float_is_refused():
    state = small_state()
    state["b.bias"] = torch.tensor([1.0, 1e39], dtype=torch.float64)
    with pytest.raises(WeightsError, match="NaN or infinite"):
        load_backbone(small_backbone(), state, where="w.pth")


def nested(value):
    return torch.nested.nested_tensor([value, value])


def quantized(value):
    return torch.quantize_per_tensor(value, 0.1, 0, torch.qint8)


def test_what_does_not_enter_may_be_anything():
    state = small_state() | {"fc.weight": torch.tensor([float("nan")])}
    assert load_backbone(small_backbone(), state, where="w.pth") == ["fc.weight"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda value: value.to(torch.int8), "int8"),
        (lambda value: value.to(torch.int64), "int64"),
        (lambda value: value > 0, "bool"),
        (lambda value: value.to(torch.complex64), "complex64"),
        (lambda value: value.to_sparse(), "float32, sparse: no plain tensor"),
        (lambda value: value.to("meta"), "float32, without values (meta): no plain tensor"),
        (lambda value: nested(value), "float32, nested: no plain tensor"),
        (lambda value: quantized(value), "qint8, quantized: no plain tensor"),
        (
            lambda value: torch.zeros(value.shape, dtype=torch.uint8).view(torch.float4_e2m1fn_x2),
            "float4_e2m1fn_x2, which torch cannot convert",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore")  # torch's own of what is a prototype or old
def test_weights_of_another_kind_are_refused(change, found):
    state = small_state()
    state["a.weight"] = change(state["a.weight"])
    with pytest.raises(WeightsError, match="no floating-point numbers") as caught:
        load_backbone(small_backbone(), state, where="w.pth")
    assert f"found:   a.weight: {found}\n" in str(caught.value)


# --- download_weights: never with a real network -----------------------------------


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
        download_weights("imagenet", backbone)
    message = str(caught.value)
    assert f"where:   weights: imagenet, backbone: {backbone}" in message
    assert "no network" in message
    assert "--set weights=PATH" in message


@pytest.mark.usefixtures("torch_home")
def test_a_backbone_that_torchvision_does_not_have():
    with pytest.raises(WeightsError, match="demo_resnet") as caught:
        download_weights("imagenet", "demo_resnet")
    assert "allowed: a backbone with published weights" in str(caught.value)


def test_a_download_that_is_not_the_file_is_refused(torch_home, monkeypatch):
    other = torch_home / "login-page.html"
    other.write_text("<html>")
    page = urllib.request.urlopen(other.as_uri())
    monkeypatch.setattr(torch.hub, "urlopen", lambda *_: page)
    with pytest.raises(WeightsError, match="invalid hash value"):
        download_weights("imagenet", "resnet18")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"<html>", b"\x80\x02}q\x00."])
def test_a_download_that_was_cut_is_named(torch_home, content):
    cached = torch_home / "hub" / "checkpoints" / "resnet50-0676ba61.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(content)
    with pytest.raises(WeightsError, match="downloaded weights cannot be read") as caught:
        download_weights("imagenet", "resnet50")
    assert f"where:   {cached}" in str(caught.value)
    assert "next:    remove the file: it is downloaded again" in str(caught.value)
    assert cached.read_bytes() == content  # removing is the user's business


@pytest.mark.parametrize(
    ("weights", "backbone", "file"),
    [
        ("imagenet", "resnet50", "resnet50-0676ba61.pth"),
        ("imagenet-v2", "resnet50", "resnet50-11ad3fa6.pth"),
        ("imagenet-v2", "resnet101", "resnet101-cd907fc2.pth"),
        ("imagenet-v2", "mobilenet_v2", "mobilenet_v2-7ebf99e0.pth"),
    ],
)
def test_cached_weights_are_used_without_a_network(torch_home, weights, backbone, file):
    cached = torch_home / "hub" / "checkpoints" / file
    cached.parent.mkdir(parents=True)
    torch.save(small_state(), cached)
    assert_equal(pretrained_state(weights, backbone), small_state())
