import subprocess
import sys

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from pplr.errors import WeightsError
from pplr.network.backbones import Backbone, InstanceBatchNorm, make_backbone
from pplr.network.weight_files import read_weights
from pplr.network.weights import load_backbone

NUM_FEATURES = {
    "demo_resnet": 512,
    "resnet18": 512,
    "resnet34": 512,
    "resnet50": 2048,
    "resnet101": 2048,
    "resnet50_ibn": 2048,
    "mobilenet_v2": 1280,
}
TORCHVISION = [name for name in NUM_FEATURES if name not in ("demo_resnet", "resnet50_ibn")]
CLASSIFIERS = ("fc.", "classifier.")


def torchvision_network(name):
    torch.manual_seed(0)
    return torchvision.models.get_model(name, weights=None).eval()


def projection(inputs, outputs, *, stride=1):
    conv = nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def loaded_backbone(network, name):
    """Return the backbone with the weights of torchvision's network."""
    state = network.state_dict()
    backbone = make_backbone(name, height=32, width=16).eval()
    backbone.load_state_dict({k: v for k, v in state.items() if not k.startswith(CLASSIFIERS)})
    return backbone


@pytest.mark.parametrize(("name", "num_features"), NUM_FEATURES.items())
@torch.inference_mode()
def test_the_feature_map_is_a_sixteenth_of_the_image(name, num_features):
    backbone = make_backbone(name, height=32, width=16).eval()
    feature_map = backbone(torch.rand(1, 3, 32, 48))
    assert feature_map.shape == (1, num_features, 32 // 16, 48 // 16)
    assert (backbone.num_features, backbone.num_rows) == feature_map.shape[1:3]


@torch.inference_mode()
def test_sizes_that_16_does_not_divide_are_rounded_up():
    backbone = make_backbone("demo_resnet", height=65, width=33).eval()
    assert backbone(torch.rand(1, 3, 65, 33)).shape[2:] == (5, 3)
    assert backbone.num_rows == 4  # the fifth row sees one row of pixels


@pytest.mark.parametrize("name", TORCHVISION)
def test_state_dict_keys_are_torchvisions_without_the_classifier(name):
    with torch.device("meta"):  # names and shapes without the numbers
        theirs = torchvision.models.get_model(name, weights=None).state_dict()
        ours = make_backbone(name, height=32, width=16).state_dict()
    expected = {k: v.shape for k, v in theirs.items() if not k.startswith(CLASSIFIERS)}
    assert {key: value.shape for key, value in ours.items()} == expected
    assert list(ours) == list(expected)


@pytest.mark.parametrize("name", [*TORCHVISION, "resnet50_ibn"])
def test_the_last_stage_has_no_stride_and_the_others_halve(name):
    with torch.device("meta"):
        modules = dict(make_backbone(name, height=32, width=16).named_modules())
    convs = [(key, m.stride) for key, m in modules.items() if isinstance(m, nn.Conv2d)]
    last = [f"features.{i}." for i in range(14, 19)] if name == "mobilenet_v2" else ["layer4."]
    in_last = [stride for key, stride in convs if key.startswith(tuple(last))]
    assert in_last
    assert set(in_last) == {(1, 1)}
    strided = {key.split(".conv")[0].split(".down")[0] for key, s in convs if s == (2, 2)}
    expected = (
        {"features.0.0", "features.2", "features.4", "features.7"}
        if name == "mobilenet_v2"
        else {"conv1", "layer2.0", "layer3.0"}
    )
    assert strided == expected


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
@torch.inference_mode()
def test_resnets_equal_torchvisions_up_to_the_stride(name):
    network = torchvision_network(name)
    backbone = loaded_backbone(network, name)
    images = torch.rand(2, 3, 64, 64)
    x = network.maxpool(network.relu(network.bn1(network.conv1(images))))
    x = network.layer3(network.layer2(network.layer1(x)))
    layers = list(backbone.children())
    torch.testing.assert_close(nn.Sequential(*layers[:-1])(images), x)
    # Without the stride there are pixels between torchvision's; its own stay the same, in conv1 or
    # conv2 of the first block as in its shortcut.
    first = "conv1" if name == "resnet18" else "conv2"
    ours, theirs = backbone.layer4[0], network.layer4[0]
    before = x if name == "resnet18" else theirs.relu(theirs.bn1(theirs.conv1(x)))
    for conv, inputs in ((first, before), ("downsample", x)):
        dense, strided = getattr(ours, conv)(inputs), getattr(theirs, conv)(inputs)
        assert dense.shape[2:] == x.shape[2:]
        torch.testing.assert_close(dense[:, :, ::2, ::2], strided)
    if name == "resnet50":  # after conv2 a bottleneck has no neighbourhoods
        torch.testing.assert_close(ours(x)[:, :, ::2, ::2], theirs(x))


@torch.inference_mode()
def test_mobilenet_equals_torchvisions_up_to_the_stride():
    network = torchvision_network("mobilenet_v2")
    backbone = loaded_backbone(network, "mobilenet_v2")
    images = torch.rand(2, 3, 64, 64)
    ours, theirs = backbone.features[:14](images), network.features[:14](images)
    torch.testing.assert_close(ours, theirs)
    dense, strided = backbone.features[14](ours), network.features[14](theirs)
    torch.testing.assert_close(dense[:, :, ::2, ::2], strided)


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("layer1", BasicBlock(32, 32)),
        ("layer2", BasicBlock(32, 64, stride=2, downsample=projection(32, 64, stride=2))),
        ("layer4", Bottleneck(128, 128, downsample=projection(128, 512))),
    ],
)
def test_the_demos_blocks_compute_what_torchvisions_do(name, block):
    ours = make_backbone("demo_resnet", height=32, width=16).get_submodule(name)
    # theirs: conv1, bn1, …, downsample; ours: shortcut, then layers with a relu after each two
    places = [f"layers.{3 * i + j}" for i in range(3) for j in range(2)]
    theirs = [f"{kind}{i + 1}" for i in range(3) for kind in ("conv", "bn")]
    names = {**dict(zip(theirs, places, strict=True)), "downsample": "shortcut"}
    state = {
        key.replace(first, names[first], 1): value
        for key, value in block.state_dict().items()
        for first in [key.split(".")[0]]
    }
    ours.load_state_dict(state)
    maps = torch.rand(4, block.conv1.in_channels, 8, 4)
    torch.testing.assert_close(ours(maps), block(maps))


def test_the_demos_backbone_does_without_torchvision():
    code = (
        "import sys; from pplr.network.backbones import make_backbone as make;"
        "make('demo_resnet', height=32, width=16); print('torchvision' in sys.modules);"
        "make('resnet18', height=32, width=16); print('torchvision' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_random_weights_come_from_torchs_seed():
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(make_backbone("demo_resnet", height=32, width=16).state_dict())
    first, again, other = states
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["stem.0.weight"], other["stem.0.weight"])


def test_layers_run_in_the_order_given():
    layers = {"twice": nn.Linear(1, 1, bias=False), "relu": nn.ReLU()}
    backbone = Backbone(layers, num_features=1, num_rows=1)
    nn.init.constant_(backbone.twice.weight, -2.0)
    assert backbone(torch.tensor([[1.0]])).item() == 0
    assert backbone(torch.tensor([[-1.0]])).item() == 2
    assert list(backbone.state_dict()) == ["twice.weight"]


# --- IBN-a ---------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_half_of_the_channels_are_normalised_by_image_and_half_by_batch(training):
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(3, 5, 4, 2, generator=generator).double() * 3 + 1  # 2 and 3 channels
    norm = InstanceBatchNorm(5).double().train(training)
    for tensor in norm.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    means, variances = norm.BN.running_mean.clone(), norm.BN.running_var.clone()
    result = norm(maps).detach().numpy()
    for b in range(3):
        for c in range(5):
            half, i = (norm.IN, c) if c < 2 else (norm.BN, c - 2)
            seen = maps[b, c] if c < 2 else maps[:, c]
            mean, variance = seen.mean().item(), seen.var(correction=0).item()
            if c >= 2 and not training:
                mean, variance = means[i].item(), variances[i].item()
            weight, bias = half.weight[i].item(), half.bias[i].item()
            expected = (maps[b, c].numpy() - mean) / (variance + 1e-5) ** 0.5 * weight + bias
            np.testing.assert_allclose(result[b, c], expected, atol=1e-9)


def test_the_published_keys_of_ibn_a_are_those_of_the_backbone(tmp_path):
    # Pan et al.'s ResNet-50-IBN-a: an `IBN` for bn1 in every block of the first three stages
    state = torchvision.models.resnet50(weights=None).state_dict()
    published = {}
    for key, value in state.items():
        stage, *_, layer, name = key.split(".") if key.count(".") == 3 else ("", "", "")
        if stage in ("layer1", "layer2", "layer3") and layer == "bn1":
            prefix, half = key.removesuffix(name), len(value) // 2 if value.ndim else 0
            if name in ("weight", "bias"):
                published[f"{prefix}IN.{name}"] = value[:half]
            published[f"{prefix}BN.{name}"] = value[half:] if value.ndim else value
        else:
            published[key] = value
    assert published["layer1.0.bn1.IN.weight"].shape == (32,)
    assert published["layer3.5.bn1.BN.running_mean"].shape == (128,)
    assert published["layer4.0.bn1.weight"].shape == (512,)
    torch.save({f"module.{key}": value for key, value in published.items()}, tmp_path / "w.pth")
    backbone = make_backbone("resnet50_ibn", height=32, width=16)
    left_out = load_backbone(backbone, read_weights(tmp_path / "w.pth"), where="w.pth")
    assert left_out == ["fc.weight", "fc.bias"]
    loaded = backbone.state_dict()
    assert set(loaded) == {key for key in published if not key.startswith("fc.")}
    assert all(torch.equal(loaded[key], published[key]) for key in loaded)
    with pytest.raises(WeightsError, match="do not fit"):
        load_backbone(make_backbone("resnet50", height=32, width=16), published, where="w.pth")
    with pytest.raises(WeightsError, match=r"IN\.weight"):
        load_backbone(backbone, state, where="w.pth")


def test_an_images_contrast_and_cast_are_forgotten_by_half():
    norm = InstanceBatchNorm(4).eval()
    maps = torch.rand(2, 4, 8, 4, generator=torch.Generator().manual_seed(0)) + 1
    changed = norm(3 * maps + 2)
    torch.testing.assert_close(changed[:, :2], norm(maps)[:, :2], atol=1e-3, rtol=1e-3)
    assert (changed[:, 2:] - norm(maps)[:, 2:]).abs().min() > 1
