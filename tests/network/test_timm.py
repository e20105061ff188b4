import re
import sys
from functools import partial
from pathlib import Path

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch.nn.functional import interpolate

from pplr.errors import SettingError, WeightsError
from pplr.network.backbones import make_backbone
from pplr.network.model import ReIDModel
from pplr.network.normalising import IMAGENET_MEAN, IMAGENET_STD
from pplr.network.timm import TimmBackbone, check_timm_name
from pplr.network.weights import load_backbone, read_weights

# the smallest of a convolutional network, one that ends in layers behind the map, a transformer
# with patch tokens, ones whose last norm is behind the pooling or that pool by attention, one
# distilled, and one whose maps have their channels last
NAMES = [
    *("test_resnet", "mobilenetv3_small_050", "test_vit", "test_vit2", "test_vit3", "test_vit4"),
    *("deit_tiny_distilled_patch16_224", "swin_tiny_patch4_window7_224"),
]


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_gives_a_map_and_trains_whole(name: str) -> None:
    torch.manual_seed(0)
    backbone = make_backbone(f"timm/{name}", height=64, width=32)
    model = ReIDModel(backbone, 2).train()
    images = torch.randn(4, 3, 64, 32)
    feature_map = backbone(images)
    assert feature_map.shape[:3] == (4, backbone.num_features, backbone.num_rows)
    embeddings = model(images)
    assert embeddings.shape == (4, 3, backbone.num_features)
    embeddings.square().sum().backward()
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert [name for name, p in trained.items() if p.grad is None] == []


def test_patch_tokens_are_a_map_in_the_images_order() -> None:
    torch.manual_seed(0)
    backbone = make_backbone("timm/test_vit", height=64, width=32).eval()
    images = torch.randn(1, 3, 64, 32)
    with torch.inference_mode():
        tokens = backbone.network.forward_features(images)[0, 1:]  # behind the class token
        feature_map = backbone(images)[0]
    assert feature_map.shape[1:] == (4, 2)
    torch.testing.assert_close(feature_map.flatten(1).T, tokens)


# The smallest of each family that timm has: plain, without prefix tokens in the positions, with two
# of them, with patches of 14 pixels, without and with registers, relative positions, rotary ones,
# windows of two kinds, a pre-norm, and convolutional networks.
FAMILIES = [
    "vit_tiny_patch16_224",
    "deit3_small_patch16_224",
    "deit_tiny_distilled_patch16_224",
    "vit_small_patch14_dinov2",
    "vit_small_patch14_reg4_dinov2",
    "beit_base_patch16_224",
    "eva02_tiny_patch14_224",
    "swin_tiny_patch4_window7_224",
    "swinv2_tiny_window8_256",
    "test_maxvit",
    "vit_xsmall_patch16_clip_224",
    "convnext_atto",
    "resnet18",
    "mobilenetv4_conv_small",
]


def saved(original: torch.nn.Module, path: Path) -> Path:
    """Save a network's weights as the suffix says; return the file."""
    save = torch.save if path.suffix == ".pth" else save_file
    save(original.state_dict(), path)
    return path


def loaded(name: str, path: Path, *, height: int, width: int) -> TimmBackbone:
    """Return our backbone with the weights of a file."""
    backbone = make_backbone(f"timm/{name}", height=height, width=width).eval()
    load_backbone(backbone, read_weights(path), where=str(path))
    return backbone


@pytest.mark.parametrize("name", FAMILIES)
@torch.inference_mode()
def test_timms_weights_give_timms_features_and_features_of_our_size(name: str, tmp_path) -> None:
    torch.manual_seed(1)
    original = timm.create_model(name).eval()
    suffix = ".pth" if FAMILIES.index(name) % 2 else ".safetensors"
    path = saved(original, tmp_path / f"w{suffix}")
    height, width = original.pretrained_cfg["input_size"][1:]
    images = torch.randn(1, 3, height, width)
    ours = loaded(name, path, height=height, width=width)
    if "dinov2" in name:  # of 1,369 patches: two of its twelve blocks tell as much
        for network in (original, ours.network):
            network.blocks = network.blocks[:2]
    feature_map = ours(images)
    expected = original.forward_features(images)
    if expected.ndim == 3:  # tokens, prefix tokens first
        num_patches = feature_map.shape[2] * feature_map.shape[3]
        expected = expected[:, -num_patches:].mT.unflatten(2, feature_map.shape[2:])
    elif expected.shape != feature_map.shape:  # channels last
        expected = expected.permute(0, 3, 1, 2)
    torch.testing.assert_close(feature_map, expected, rtol=1e-5, atol=1e-5)
    embeddings = ReIDModel(loaded(name, path, height=256, width=128), 3).eval()(
        torch.randn(2, 3, 256, 128)
    )
    assert embeddings.isfinite().all()
    assert embeddings[:, 0].std(dim=0).max() > 1e-3  # images differ


@pytest.mark.parametrize("side", [160, 256])  # timm's size for the name, and another one
def test_as_many_patches_on_another_grid_are_resampled(side: int, tmp_path) -> None:
    original = timm.create_model("test_vit", img_size=side)
    path = saved(original, tmp_path / "w.pth")
    backbone = loaded("test_vit", path, height=2 * side, width=side // 2)
    given, found = original.pos_embed, backbone.network.pos_embed
    assert given.shape == found.shape
    torch.testing.assert_close(found[:, :1], given[:, :1])  # the class token's
    n = side // 16
    square = given[:, 1:].mT.unflatten(2, (n, n))
    expected = interpolate(square, (2 * n, n // 2), mode="bicubic", antialias=True)
    torch.testing.assert_close(found[:, 1:], expected.flatten(2).mT, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(found, given, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("test_vit", "pos_embed"),
        ("deit3_small_patch16_224", "pos_embed"),
        ("swin_tiny_patch4_window7_224", "layers.3.blocks.0.attn.relative_position_bias_table"),
    ],
)
def test_positions_of_our_own_grid_are_taken_as_they_are(name: str, key: str, tmp_path) -> None:
    original = timm.create_model(name, img_size=(64, 32))
    path = saved(original, tmp_path / "w.safetensors")
    backbone = loaded(name, path, height=64, width=32)
    assert torch.equal(backbone.network.state_dict()[key], original.state_dict()[key])


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("test_vit", "positions of 8 patches: no square"),  # and the class token's
        ("deit3_small_patch16_224", "positions of 8 patches: no square"),
        ("swin_tiny_patch4_window7_224", "table of size 91"),  # (2·7 - 1) · (2·4 - 1)
    ],
)
def test_a_grid_that_cannot_be_known_is_refused_with_the_reason(
    name: str, found: str, tmp_path
) -> None:
    path = saved(timm.create_model(name, img_size=(64, 32)), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="an image size that cannot be known") as caught:
        loaded(name, path, height=192, width=64)
    message = str(caught.value)
    assert f"where:   {path}" in message
    assert found in message
    assert "no square grid of patches, and the size is not in the file" in message
    assert "resampled to 192 x 64" in message
    assert "set `height` and `width` to the size the weights were trained at" in message
    loaded(name, path, height=64, width=32)  # which is what helps


def test_another_networks_weights_are_no_matter_of_positions(tmp_path) -> None:
    path = saved(timm.create_model("swin_small_patch4_window7_224"), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="do not fit the backbone"):
        loaded("swin_tiny_patch4_window7_224", path, height=64, width=32)


@pytest.fixture(scope="module", params=["test_vit", "test_vit4", "test_maxvit"])
def backbone_and_state(request: pytest.FixtureRequest):
    backbone = make_backbone(f"timm/{request.param}", height=64, width=32)
    return backbone, timm.create_model(request.param).state_dict()


SHAPES = st.lists(st.integers(0, 5), max_size=5)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_changed_weights_load_or_end_in_one_message(backbone_and_state, data) -> None:
    backbone, state = backbone_and_state
    changed = dict(state)
    telling = [key for key in state if "pos" in key or "patch_embed" in key]
    for key in data.draw(st.lists(st.sampled_from([*telling, *state]), max_size=3)):
        if data.draw(st.booleans()):
            changed[key] = torch.zeros(data.draw(SHAPES))
        else:
            changed.pop(key, None)
    message = ""
    try:
        load_backbone(backbone, changed, where="w")
    except WeightsError as error:
        message = str(error)
    assert len(message.splitlines()) <= 10


def test_the_authors_names_are_timms_business() -> None:
    # Facebook's DeiT III has `gamma_1` for `ls1.gamma`, below `model`; OpenAI's CLIP other names
    state = timm.create_model("deit3_small_patch16_224").state_dict()
    facebooks = {re.sub(r"ls([12])\.gamma", r"gamma_\1", key): v for key, v in state.items()}
    assert facebooks.keys() != state.keys()
    backbone = make_backbone("timm/deit3_small_patch16_224", height=224, width=224)
    assert load_backbone(backbone, facebooks, where="w") == ["head.weight", "head.bias"]
    found = backbone.network.state_dict()
    assert torch.equal(found["blocks.3.ls2.gamma"], state["blocks.3.ls2.gamma"])


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [
        ("vit_tiny_patch16_224", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ("vit_tiny_patch16_224.augreg_in21k", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        (
            "vit_xsmall_patch16_clip_224.tinyclip_yfcc15m",
            (0.48145466, 0.4578275, 0.40821073),
            (0.26862954, 0.26130258, 0.27577711),
        ),
        ("vit_small_patch16_224.dino", IMAGENET_MEAN, IMAGENET_STD),  # of the tag, not the name
        ("vit_small_patch16_224", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ("resnet18", IMAGENET_MEAN, IMAGENET_STD),
    ],
)
def test_pixels_are_normalised_as_timm_says_of_the_name(name: str, mean, std) -> None:
    backbone = make_backbone(f"timm/{name}", height=64, width=32)
    assert (backbone.mean, backbone.std) == (mean, std)


def test_keys_that_do_not_fit_are_listed() -> None:
    state = timm.create_model("test_vit", img_size=(64, 32)).state_dict()
    state["blocks.0.extra"] = state.pop("blocks.0.norm1.weight")
    backbone = make_backbone("timm/test_vit", height=64, width=32)
    with pytest.raises(WeightsError, match=r"1 missing: blocks\.0\.norm1\.weight") as caught:
        load_backbone(backbone, state, where="w")
    assert "blocks.0.extra" in str(caught.value)


def test_an_unknown_model_names_near_ones() -> None:
    for check in (partial(make_backbone, height=64, width=32), check_timm_name):
        with pytest.raises(SettingError, match="no such model") as caught:
            check("timm/vit_smal_patch16_224")
        assert "vit_small_patch16_224" in str(caught.value)
    check_timm_name("timm/vit_small_patch16_224.dino")


def test_images_that_a_model_does_not_take() -> None:
    with pytest.raises(SettingError, match="cannot be used") as caught:
        make_backbone("timm/test_vit", height=70, width=33)
    assert "70 x 33" in str(caught.value)


def test_without_timm_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(SettingError, match="timm is not installed") as caught:
        make_backbone("timm/test_vit", height=64, width=32)
    assert "pip install -e '.[timm]'" in str(caught.value)
