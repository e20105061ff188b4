import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torchvision

from pplr.checks import check_cameras, check_clusters, check_shares
from pplr.errors import ClusteringError, MissingInputError, SettingError
from pplr.network.checks import check_rows
from pplr.settings.checks import check_inputs, check_launcher
from pplr.settings.groups import BACKBONES, PUBLISHED_WEIGHTS, TIMM
from pplr.settings.params import parse_params
from pplr.settings.presets import PRESETS
from pplr.settings.schedule import make_schedule


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").touch()
    (tmp_path / "w.pth").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "w.pth").touch()
    os.mkfifo(tmp_path / "pipe")


def check(*, backbone="resnet50", weights="w.pth", images="images", scheduled="w.pth"):
    changed = {"backbone": backbone, "weights": weights}
    check_inputs(
        parse_params(PRESETS["market1501"] | changed, where="x"),
        make_schedule(epochs=1, evaluate_every=1, images=images, weights=scheduled),
    )


@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize(
    "good",
    [
        {},
        {"images": "w.pth"},  # a file will do: the demo's generator
        {"weights": "imagenet"},
        {"weights": "imagenet-v2"},
        {"weights": "imagenet", "backbone": "timm/test_vit"},
        {"weights": "random", "backbone": "demo_resnet"},
        {"backbone": "demo_resnet"},
    ],
)
def test_good_inputs_pass(good):
    check(**good)


@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"images": "none"}, ["inputs.images in schedule.yaml", "none, which does not exist"]),
        ({"images": "empty"}, ["inputs.images in schedule.yaml", "empty, an empty folder"]),
        ({"scheduled": "full"}, ["inputs.weights in schedule.yaml", "full, a folder"]),
        ({"scheduled": "/dev/zero"}, ["/dev/zero, which is the system's and no file that could"]),
        ({"images": "/dev/null"}, ["/dev/null, which is the system's"]),
        ({"images": "/proc"}, ["/proc, which is the system's"]),
        ({"scheduled": "/proc/self/mem"}, ["/proc/self/mem, which is the system's"]),
        ({"scheduled": "ImageNet"}, ["ImageNet, which does not exist; did you mean `weights: i"]),
        ({"images": "pipe"}, ["pipe, which is no file that could be read to its end"]),
        ({"scheduled": "no.pth"}, ["inputs.weights in schedule.yaml", "no.pth, which does not"]),
    ],
)
def test_a_missing_input(wrong, said):
    with pytest.raises(MissingInputError, match="An input of the pipeline is missing") as caught:
        check(**wrong)
    for part in (*said, "pplr configure"):
        assert part in str(caught.value)


@pytest.mark.usefixtures("inputs")
@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no files in memory here")
def test_files_in_memory_are_files():
    with TemporaryDirectory(dir="/dev/shm") as folder:
        Path(folder, "one.jpg").touch()
        check(images=folder)


@pytest.mark.usefixtures("inputs")
def test_the_demo_draws_its_images_and_the_others_do_not():
    with pytest.raises(SettingError, match="of different data sets") as caught:
        check_inputs(
            parse_params(PRESETS["demo"] | {"weights": "w.pth"}, where="x"),
            make_schedule(epochs=1, evaluate_every=1, images="images", weights="w.pth"),
        )
    assert "found:   demo and images" in str(caught.value)


@pytest.mark.usefixtures("inputs")
def test_params_and_schedule_must_name_the_same_weights():
    with pytest.raises(SettingError, match="name different weights") as caught:
        check(weights="other.pth")
    assert "found:   other.pth and w.pth" in str(caught.value)
    assert "--set weights=PATH" in str(caught.value)


@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize(
    ("weights", "backbone", "allowed"),
    [
        ("imagenet", "demo_resnet", "imagenet with resnet18 | resnet34 | resnet50 | resnet101"),
        ("imagenet", "resnet50_ibn", "mobilenet_v2 | timm/NAME; a file, or random, with any"),
        ("imagenet-v2", "demo_resnet", "imagenet-v2 with resnet50 | resnet101 | mobilenet_v2;"),
        ("imagenet-v2", "resnet18", "imagenet-v2 with resnet50 | resnet101 | mobilenet_v2;"),
        ("imagenet-v2", "timm/test_vit", "imagenet-v2 with resnet50 | resnet101 | mobilenet_v2;"),
    ],
)
def test_weights_that_a_backbone_does_not_have(weights, backbone, allowed):
    with pytest.raises(SettingError, match="no ImageNet weights for this backbone") as caught:
        check(weights=weights, backbone=backbone)
    assert f"found:   {weights}, with backbone {backbone}" in str(caught.value)
    assert allowed in str(caught.value)
    assert "--set weights=PATH" in str(caught.value)
    assert ("weights: imagenet`" in str(caught.value)) == (
        backbone in ("resnet18", "timm/test_vit")
    )


def test_published_weights_are_those_that_torchvision_has():
    names = {"imagenet": "IMAGENET1K_V1", "imagenet-v2": "IMAGENET1K_V2"}
    theirs = {name for name in BACKBONES if name in torchvision.models.list_models()}
    for weights, backbones in PUBLISHED_WEIGHTS.items():
        having = {
            name
            for name in theirs
            if names[weights] in torchvision.models.get_model_weights(name).__members__
        }
        assert having == {name for name in backbones if name != TIMM}


# --- clusters ------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 1, 1, -1], [-1, 1, 0]])
def test_two_clusters_are_enough(labels):
    check_clusters(np.array(labels, np.int32))


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ([0, 0, 0], "1 clusters, 0 outliers among 3 images"),
        ([0, -1, -1, 0], "1 clusters, 2 outliers among 4 images"),
        ([-1, -1], "0 clusters, 2 outliers among 2 images"),
        ([], "0 clusters, 0 outliers among 0 images"),
    ],
)
def test_too_few_clusters(labels, found):
    with pytest.raises(ClusteringError, match="too few clusters") as caught:
        check_clusters(np.array(labels, np.int32))
    message = str(caught.value)
    assert f"found:   {found}" in message
    assert "where:   eps, min_samples" in message
    assert "raise `eps`" in message
    assert "lower `eps`" in message


@pytest.mark.parametrize("launcher", ["python", "torchrun", "torchrun --nnodes 2 --rdzv-id=x"])
def test_launchers_that_torchrun_takes(launcher):
    check_launcher(launcher)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("--help", "it would start no stage"),
        ("'--nnodes", "No closing quotation"),
        ("train.py", "it would start something else than a stage"),
        ("-m train", "it would start something else than a stage"),
        ("--no-python", "it would start something else than a stage"),
        ("--", "it would start something else than a stage"),
        ("--nproc-per-node two", "Unsupported nproc_per_node value: two"),
        ("--nproc-per-node 0", "0 processes, where 1 to 1024 are possible"),
        ("--nproc-per-node 1000000", "1000000 processes, where"),
        ("--nnodes 1:many", "invalid literal"),
        ("--nnodes 5:1", "min_nodes must be > 0 and <= max_nodes"),
        ("--rdzv-conf timeout", "The rendezvous configuration option"),
        ("--tee abc", "abc does not match"),
        ("--local-ranks-filter a", "--local_ranks_filter must be"),
        ("--max-restarts -1", "max_restarts must be >= 0"),
        ("--nnodes 100000", "100000 nodes, where"),
    ],
)
def test_what_torchrun_takes_and_no_stage_would_start_by(options, problem, capfd):
    with pytest.raises(SettingError, match="torchrun does not take these options") as caught:
        check_launcher(f"torchrun {options}")
    assert f"found:   torchrun {options}: {problem}" in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_misspelt_option_of_torchrun():
    with pytest.raises(SettingError, match="torchrun does not take these options") as caught:
        check_launcher("torchrun --standalon --nproc-per-nod 2 --colour")
    assert "--colour" in str(caught.value)
    assert "nproc-per-node 2" in str(caught.value)


@pytest.mark.parametrize(("rows", "parts"), [(3, 3), (8, 3)])
def test_enough_rows_for_the_parts(rows, parts):
    check_rows(rows, parts)


def test_too_few_rows_for_the_parts():
    with pytest.raises(SettingError, match="fewer rows than there are parts") as caught:
        check_rows(2, 3)
    assert "3 parts, 2 rows" in str(caught.value)


def test_cameras():
    check_cameras(np.array([0, 4, -1], np.int32))
    with pytest.raises(SettingError, match="1 known camera"):
        check_cameras(np.array([4, 4, -1], np.int32))


def test_each_process_needs_two_images():
    check_shares([2, 2, 2, 2])
    with pytest.raises(ClusteringError, match="too few clusters for so many") as caught:
        check_shares([2, 3, 1])
    assert "3 processes, batches of 6 images" in str(caught.value)
    assert "at most 3 processes" in str(caught.value)
