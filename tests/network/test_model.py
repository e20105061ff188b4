import math

import numpy as np
import pytest
import torch
from torch import nn

from pplr.network.backbones import Backbone, make_backbone
from pplr.network.model import PowerMeanPooling, ReIDModel, autocast, classify

# A new BNNeck in evaluation divides by the root of variance 1 plus 1e-5.
SCALE = 1 / math.sqrt(1 + 1e-5)


def pooling_model(*, num_features, num_parts, pooling="mean"):
    """Return a model whose feature map is the image itself."""
    backbone = Backbone({"map": nn.Identity()}, num_features=num_features, num_rows=6)
    return ReIDModel(backbone, num_parts, pooling=pooling)


# --- pooling -------------------------------------------------------------------------------


def test_pooling_by_hand():
    # One image, D = 2, a map of 4 rows and 2 columns; two parts of two rows each.
    first = [[1.0, 3.0], [5.0, 7.0], [0.0, 2.0], [4.0, 6.0]]
    second = [[8.0, 8.0], [8.0, 8.0], [-1.0, -1.0], [-1.0, -3.0]]
    model = pooling_model(num_features=2, num_parts=2).eval()
    embeddings = model(torch.tensor([[first, second]]))
    assert embeddings.shape == (1, 3, 2)
    expected = torch.tensor([[[3.5, 3.25], [4.0, 8.0], [3.0, -1.5]]])  # global, top, bottom
    torch.testing.assert_close(embeddings, expected * SCALE)


def test_rows_that_the_parts_do_not_divide_are_shared():
    # 8 rows and 3 parts, as in the demo: rows 0–2, 2–5 and 5–7.
    rows = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0])
    model = pooling_model(num_features=1, num_parts=3).eval()
    embeddings = model(rows.view(1, 1, 8, 1))
    expected = torch.tensor([255 / 8, 7 / 3, 60 / 4, 224 / 3])
    torch.testing.assert_close(embeddings.view(4), expected * SCALE)


@pytest.mark.parametrize("num_parts", [1, 2, 3, 6])
def test_pooling_equals_loops(num_parts):
    images = torch.rand(3, 5, 6, 4, generator=torch.Generator().manual_seed(0))
    embeddings = pooling_model(num_features=5, num_parts=num_parts).eval()(images)
    rows = 6 // num_parts
    for i in range(3):
        for d in range(5):
            pixels = images[i, d].numpy()
            expected = [pixels.mean()]
            expected += [pixels[p * rows : (p + 1) * rows].mean() for p in range(num_parts)]
            np.testing.assert_allclose(
                embeddings[i, :, d].detach(), np.array(expected) * SCALE, rtol=1e-5
            )


def test_one_part_is_the_global_feature():
    embeddings = pooling_model(num_features=3, num_parts=1).eval()(torch.rand(2, 3, 4, 4))
    torch.testing.assert_close(embeddings[:, 0], embeddings[:, 1])


# --- the power mean ------------------------------------------------------------------------


def test_the_power_mean_by_hand():
    # p = 3: the root of (1 + 27 + 0 + 8) / 4 = 9 is 2.0801; a negative value counts as 1e-6
    rows = torch.tensor([[1.0, 3.0], [-5.0, 2.0]]).view(1, 1, 2, 2)
    model = pooling_model(num_features=1, num_parts=2, pooling="gem").eval()
    embeddings = model(rows).view(3)
    expected = torch.tensor([9 ** (1 / 3), 2.0, -1.5])  # the parts are plain means
    torch.testing.assert_close(embeddings, expected * SCALE)


@pytest.mark.parametrize("power", [0.5, 1.0, 3.0, 6.5, 40.0])
def test_the_power_mean_equals_loops(power):
    images = torch.rand(3, 5, 6, 4, generator=torch.Generator().manual_seed(0)) - 0.3
    pooling = PowerMeanPooling()
    nn.init.constant_(pooling.p, power)
    pooled = pooling(images)
    for i in range(3):
        for d in range(5):
            values = [max(x, 1e-6) ** power for x in images[i, d].flatten().double().tolist()]
            expected = (sum(values) / len(values)) ** (1 / power)
            assert pooled[i, d].item() == pytest.approx(expected, rel=1e-4)


def test_power_1_is_the_mean_and_a_large_one_nearly_the_maximum():
    images = torch.rand(2, 3, 6, 4, generator=torch.Generator().manual_seed(0))
    pooling = PowerMeanPooling()
    nn.init.constant_(pooling.p, 1.0)
    torch.testing.assert_close(pooling(images), images.mean(dim=(2, 3)))
    nn.init.constant_(pooling.p, 1000.0)
    torch.testing.assert_close(pooling(images), images.amax(dim=(2, 3)), rtol=5e-3, atol=0)


@pytest.mark.parametrize("scale", [0.0, 1e-7, 1.0, 1e4])
@pytest.mark.parametrize("power", [3.0, 9.0])
def test_the_gradient_reaches_power_and_map_and_is_finite(scale, power):
    images = torch.rand(2, 3, 6, 4, generator=torch.Generator().manual_seed(0)) * scale
    images.requires_grad_()
    pooling = PowerMeanPooling()
    nn.init.constant_(pooling.p, power)
    pooling(images).sum().backward()
    assert pooling.p.grad.isfinite()
    assert images.grad.isfinite().all()
    # of equal values any power mean is the same
    assert (pooling.p.grad.abs() > 1e-3) == (scale >= 1)


def test_the_gradient_of_the_power_mean_is_that_of_differences():
    images = torch.rand(1, 2, 3, 2, dtype=torch.float64) + 0.1
    assert torch.autograd.gradcheck(PowerMeanPooling().double(), (images.requires_grad_(),))


def test_with_means_there_is_no_parameter_more():
    names = {
        pooling: set(pooling_model(num_features=2, num_parts=1, pooling=pooling).state_dict())
        for pooling in ("mean", "gem")
    }
    assert names["gem"] - names["mean"] == {"pooling.p"}
    assert not any(name.startswith("pooling") for name in names["mean"])
    parameters = dict(pooling_model(num_features=2, num_parts=1, pooling="gem").named_parameters())
    assert parameters["pooling.p"].requires_grad
    assert parameters["pooling.p"].item() == 3


def test_the_power_mean_under_bfloat16():
    model = ReIDModel(make_backbone("demo_resnet", height=32, width=16), 2, pooling="gem").train()
    images = torch.randn(4, 3, 32, 16, generator=torch.Generator().manual_seed(0))
    with autocast("cpu", "bfloat16"):
        embeddings = model(images)
    embeddings.float().square().sum().backward()
    assert embeddings.isfinite().all()
    assert model.pooling.p.grad.isfinite()


# --- the BNNecks ---------------------------------------------------------------------------


def test_each_space_is_normalised_over_the_batch():
    # Two images: whatever the values, batch norm makes them −1 and 1 in each space.
    top, bottom = torch.tensor([0.0, 10.0]), torch.tensor([5.0, 1.0])
    model = pooling_model(num_features=1, num_parts=2).train()
    embeddings = model(torch.stack([top, bottom], dim=1).view(2, 1, 2, 1))
    expected = torch.tensor([[-1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])  # global means 2.5 and 5.5
    torch.testing.assert_close(embeddings.squeeze(2), expected, atol=1e-4, rtol=0)
    means = [neck.running_mean.item() for neck in model.bnnecks]
    np.testing.assert_allclose(means, [0.1 * 4.0, 0.1 * 5.0, 0.1 * 3.0], rtol=1e-6)


def test_no_space_is_normalised_by_the_square_roots_of_mkl():
    """torch takes them for what is not contiguous; their last bit depends on the processor."""
    generator = torch.Generator().manual_seed(0)
    model = pooling_model(num_features=512, num_parts=3).eval()
    for bnneck in model.bnnecks:
        bnneck.running_var.copy_(torch.rand(512, generator=generator) + 0.5)
    image = torch.randn(4, 512, 6, 2, generator=generator)
    parts = image.view(4, 512, 3, 4).mean(dim=3)
    embeddings = model(image)
    for p in range(3):
        variance = model.bnnecks[1 + p].running_var.numpy()
        factor = torch.from_numpy(1 / np.sqrt(variance + np.float32(1e-5)))  # correctly rounded
        assert torch.equal(embeddings[:, 1 + p], parts[:, :, p] * factor)


def test_the_bias_stays_zero():
    model = pooling_model(num_features=2, num_parts=1).train()
    assert len(model.bnnecks) == 2
    parameters = dict(model.named_parameters())
    assert {name for name, p in parameters.items() if p.requires_grad} == {
        "bnnecks.0.weight",
        "bnnecks.1.weight",
    }
    optimizer = torch.optim.Adam((p for p in parameters.values() if p.requires_grad), lr=0.1)
    images = torch.rand(4, 2, 4, 2, generator=torch.Generator().manual_seed(0))
    model(images).pow(3).sum().backward()
    optimizer.step()
    for neck in model.bnnecks:
        assert neck.bias.tolist() == [0, 0]
        assert neck.weight.tolist() != [1, 1]


def test_a_whole_model():
    model = ReIDModel(make_backbone("demo_resnet", height=32, width=16), 3).eval()
    with torch.inference_mode():
        assert model(torch.rand(2, 3, 48, 32)).shape == (2, 4, 512)


# --- classifiers ---------------------------------------------------------------------------


def test_classify_equals_loops():
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(3, 4, 5, generator=generator)
    classifiers = torch.randn(4, 6, 5, generator=generator)
    logits = classify(embeddings, classifiers)
    assert logits.shape == (3, 4, 6)
    for b in range(3):
        for s in range(4):
            for c in range(6):
                expected = sum(
                    embeddings[b, s, d].item() * classifiers[s, c, d].item() for d in range(5)
                )
                assert logits[b, s, c].item() == pytest.approx(expected, abs=1e-5)


def test_each_space_trains_its_own_classifier():
    embeddings = torch.ones(2, 3, 4)
    classifiers = torch.ones(3, 5, 4, requires_grad=True)
    classify(embeddings, classifiers)[:, 1].sum().backward()
    assert classifiers.grad[1].ne(0).all()
    assert classifiers.grad[[0, 2]].eq(0).all()
