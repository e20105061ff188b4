import pytest

from pplr.network.backbones import make_backbone
from pplr.settings.disk import SIZES, estimate_disk, format_disk
from pplr.settings.groups import BACKBONES
from pplr.settings.params import parse_params
from pplr.settings.presets import PRESETS
from pplr.settings.schedule import make_schedule
from tests.tiny import tiny_params, tiny_schedule

MARKET = {"train": 12_936, "query": 3_368, "gallery": 15_913}


def of_market(*, epochs=50, **changes):
    params = parse_params(PRESETS["market1501"] | changes, where="x")
    schedule = make_schedule(epochs=epochs, evaluate_every=10, images="i", weights="w")
    return estimate_disk(params, schedule, MARKET)


@pytest.mark.parametrize("name", BACKBONES)
def test_the_sizes_are_those_of_the_backbones(name):
    backbone = make_backbone(name, height=64, width=32)
    num_parameters = sum(p.numel() for p in backbone.parameters())
    assert SIZES[name] == (backbone.num_features, num_parameters)


def test_market_by_hand():
    estimate = of_market()
    assert estimate.images == (12_936 + 3_368 + 15_913) * 384 * 128 * 3
    features = 12_936 * 4 * 2048 * 2
    lists = 12_936 * (29 + 3 * 20 + 1 + 3) * 4
    model = 3 * 4 * 23_508_032 + 4 * 4 * 2048 * 808
    assert estimate.alternation == features + lists + model
    assert estimate.total == estimate.images + 4 * 23_508_032 + 50 * estimate.alternation


def test_settings_that_change_it():
    assert of_market(feature_dtype="float32").alternation > of_market().alternation + 2e8
    teacher = of_market(global_refinement="mean-teacher").alternation
    assert teacher == of_market().alternation + 4 * 23_508_032
    assert of_market(epochs=1).total < of_market().total / 5
    assert of_market(backbone="timm/vit_base_patch16_224").alternation > 1e9


def test_it_is_near_what_a_run_writes(tiny_run):
    data = tiny_run / "data"
    written = {
        name: sum(file.stat().st_size for file in (data / name).rglob("*") if file.is_file())
        for name in ("dataset.zarr", "alternations", "models")
    }
    estimate = estimate_disk(
        tiny_params(), tiny_schedule(), {"train": 48, "query": 24, "gallery": 26}
    )
    models_and_arrays = estimate.model + 2 * estimate.alternation
    assert written["models"] + written["alternations"] == pytest.approx(models_and_arrays, rel=0.1)


def test_the_line_and_its_warnings():
    estimate = of_market()
    line = format_disk(estimate, 10**12)
    assert line == (
        "on disk, about: images 4.8 GB, 50 alternations of 0.53 GB, 31 GB in all; 1,000 GB free"
    )
    assert "the run does not fit" in format_disk(estimate, 30 * 10**9)
    assert "dvc checkout --relink" in format_disk(estimate, 50 * 10**9)
