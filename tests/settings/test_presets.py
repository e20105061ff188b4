import pytest

from pplr.settings.groups import DemoSettings
from pplr.settings.params import Params, parse_params
from pplr.settings.presets import DEMO_WEIGHTS, EPOCHS, EVALUATE_EVERY, PRESETS, WITH_CAMERAS


@pytest.mark.parametrize("dataset", sorted(PRESETS))
def test_every_preset_is_valid_and_names_its_data_set(dataset):
    params = parse_params(PRESETS[dataset], where="preset")
    assert params.dataset == dataset


def test_every_data_set_has_a_number_of_epochs():
    assert set(PRESETS) == set(EPOCHS) == set(EVALUATE_EVERY)
    assert all(EVALUATE_EVERY[name] <= EPOCHS[name] for name in EPOCHS)


def test_market1501_has_the_papers_values():
    # By hand from the paper's implementation details and the official settings.
    papers = {
        "dataset": "market1501",
        "height": 384,
        "width": 128,
        "backbone": "resnet50",
        "weights": "imagenet",
        "num_parts": 3,
        "pooling": "mean",
        "k1": 30,
        "k2": 6,
        "eps": 0.5,
        "min_samples": 4,
        "k": 20,
        "beta": 0.5,
        "aals_epoch": 5,
        "pglr_epoch": 0,
        "smoothing": 0.1,
        "part_refinement": "agreement",
        "global_refinement": "parts",
        "iterations": 400,
        "batch_size": 64,
        "num_instances": 4,
        "sampler_cameras": True,
        "lr": 0.00035,
        "weight_decay": 0.0005,
        "lr_step": 20,
        "lr_gamma": 0.1,
        "pad": 10,
        "erase_probability": 0.5,
        "camera_aware": False,
        "camera_spaces": "all",
        "lambda_cam": 0.5,
        "temperature": 0.07,
        "num_hard_negatives": 50,
        "samples_per_bn": 16,
    }
    preset = PRESETS["market1501"]
    assert {key: preset[key] for key in papers} == papers
    assert EPOCHS["market1501"] == 50
    # What the paper does not decide, and nothing else.
    ours = {
        "skip_broken",
        "search",
        "rerank",
        "seed",
        "ema_decay",
        "precision",
        "feature_dtype",
        "arithmetic",
        "device",
        "launcher",
        "workers",
    }
    demo = set(DemoSettings.model_fields)
    assert set(preset) == set(papers) | ours | demo == set(Params.model_fields)


@pytest.mark.parametrize(
    ("dataset", "differs", "with_cameras"),
    [
        ("market1501", {}, {"eps": 0.4}),
        ("msmt17", {}, {"eps": 0.6, "lambda_cam": 1.0}),
        ("veri776", {"height": 256, "width": 256, "eps": 0.7, "num_instances": 8}, {}),
        ("table", {}, {"eps": 0.4}),
        ("folder", {}, {}),
    ],
)
def test_data_sets_differ_from_market1501_as_the_official_settings(dataset, differs, with_cameras):
    assert PRESETS[dataset] == PRESETS["market1501"] | differs | {"dataset": dataset}
    assert WITH_CAMERAS[dataset] == with_cameras | {"camera_aware": True}


def test_the_demo_starts_from_the_shipped_weights():
    demo = PRESETS["demo"]
    assert demo["weights"] == DEMO_WEIGHTS == "demo/backbone.safetensors"
    assert demo["backbone"] == "demo_resnet"
    # What makes the method is the paper's in the demo too.
    for key in ("beta", "aals_epoch", "pglr_epoch", "smoothing", "num_parts", "batch_size", "lr"):
        assert demo[key] == PRESETS["market1501"][key]
