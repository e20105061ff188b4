import sys
from functools import partial

import pytest
import torch
from safetensors.torch import save_file

from pplr.errors import SettingError, WeightsError
from pplr.network.backbones import make_backbone
from pplr.network.model import ReIDModel
from pplr.network.timm import check_timm_name
from pplr.network.weights import load_backbone, read_weights

timm = pytest.importorskip("timm")

pytestmark = pytest.mark.usefixtures("one_thread")

# the smallest of a convolutional network, one that ends in layers behind the map, a transformer
# with patch tokens, and one whose maps have their channels last
NAMES = ["test_resnet", "mobilenetv3_small_050", "test_vit", "swin_tiny_patch4_window7_224"]


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


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_weights_of_timm_come_back(name: str, tmp_path) -> None:
    torch.manual_seed(1)
    original = timm.create_model(name, img_size=(64, 32)) if "vit" in name else None
    original = original or timm.create_model(name)
    save_file(original.state_dict(), tmp_path / "w.safetensors")
    backbone = make_backbone(f"timm/{name}", height=64, width=32).eval()
    left_out = load_backbone(backbone, read_weights(tmp_path / "w.safetensors"), where="w")
    assert left_out
    assert all(key.startswith(("head.", "fc.", "fc_norm.")) for key in left_out)
    images = torch.randn(2, 3, 64, 32)
    with torch.inference_mode():
        expected = original.eval().forward_features(images)
        feature_map = backbone(images)
    if "vit" in name:
        expected = expected[:, 1:].mT.unflatten(2, (4, 2))
    torch.testing.assert_close(feature_map, expected)


def test_positions_are_fitted_to_the_images(tmp_path) -> None:
    torch.manual_seed(1)
    small = timm.create_model("test_vit", img_size=(64, 32)).state_dict()
    square = timm.create_model("test_vit", img_size=(64, 64)).state_dict()
    for state in (small, square):
        backbone = make_backbone("timm/test_vit", height=128, width=64)
        load_backbone(backbone, state, where="w")
        positions = backbone.network.pos_embed
        assert positions.shape == (1, 1 + 8 * 4, state["pos_embed"].shape[2])
        prefix = backbone.network.num_prefix_tokens
        torch.testing.assert_close(positions[:, :prefix], state["pos_embed"][:, :prefix])
        before, after = state["pos_embed"][:, prefix:].mean(), positions[:, prefix:].mean()
        torch.testing.assert_close(after, before, atol=0.01, rtol=0)


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
