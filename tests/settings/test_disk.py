import pytest

from pplr.network.backbones import make_backbone
from pplr.settings.disk import SIZES, disk_warnings, estimate_disk, format_disk
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
    assert estimate.once == {
        "prepare-data": (13 + 4 + 16) * 1024 * 384 * 128 * 3,  # whole chunk files
        "init-model": 4 * 23_508_032,
    }
    assert estimate.each == {
        "extract-features": 12_936 * 4 * 2048 * 2,
        "cluster": 12_936 * (29 + 1) * 4,
        "compute-agreement": 12_936 * 3 * (20 + 1) * 4,
        "train-epoch": 3 * 4 * 23_508_032 + 4 * 4 * 2048 * 808,
    }
    assert estimate.total == sum(estimate.once.values()) + 50 * sum(estimate.each.values())
    assert estimate.with_copies == 2 * estimate.total


def test_settings_that_change_it():
    assert of_market(feature_dtype="float32").alternation > of_market().alternation + 2e8
    teacher = of_market(global_refinement="mean-teacher").alternation
    assert teacher == of_market().alternation + 4 * 23_508_032
    parts = of_market(part_refinement="parts").each["compute-agreement"]
    assert parts == of_market().each["compute-agreement"] + 12_936 * 9 * 4
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
    models_and_arrays = estimate.once["init-model"] + 2 * estimate.alternation
    assert written["models"] + written["alternations"] == pytest.approx(models_and_arrays, rel=0.1)
    images = estimate.once["prepare-data"]
    assert images < written["dataset.zarr"] < images + 50_000  # with what is beside them


def test_the_lines():
    assert format_disk(of_market()).splitlines() == [
        "on disk, about 31 GB in data/, and as much again in DVC's cache until "
        "`dvc checkout --relink`:",
        "  prepare-data          5.0 GB",
        "  init-model            94 MB",
        "  extract-features      50 × 212 MB",
        "  cluster               50 × 1.6 MB",
        "  compute-agreement     50 × 3.3 MB",
        "  train-epoch           50 × 309 MB",
    ]


def test_the_warnings():
    estimate = of_market()
    assert disk_warnings(estimate, 63 * 10**9) == []
    (line,) = disk_warnings(estimate, 30 * 10**9)
    assert line.startswith("the run does not fit: 30 GB free on the disk, 1.3 GB missing")
    (line,) = disk_warnings(estimate, 50 * 10**9)
    assert "with DVC's copies: 50 GB free on the disk, 13 GB missing" in line
    assert "dvc checkout --relink" in line
