"""The model card: what is known is in it, and what is not known is said."""

import shutil
from dataclasses import replace

import pytest

from pplr.inference.card import Check, model_card
from pplr.inference.models import open_model
from pplr.settings.presets import PRESETS
from pplr.storage.json_files import read_json
from pplr.storage.layout import RunPaths
from tests.tiny import tiny_params

CHECK = Check(1.5e-7, 5, are_real=True)
SECTIONS = [
    "## How to use it",
    "## Data",
    "## Settings",
    "## Metrics",
    "## Intended use and ethics",
    "## Where it is from",
]


@pytest.mark.parametrize("form", ["onnx", "torch"])
def test_all_that_a_user_should_know(model, tiny_run, form):
    card = model_card(model, form, CHECK)
    assert card.startswith("# Model card: `01`")
    assert [line for line in card.splitlines() if line.startswith("## ")] == SECTIONS
    for words in (
        "- `images`: (batch, 64, 32, 3) uint8",
        "do not do them before",
        "48 training images of `demo`: people who are drawn",
        "Camera numbers were read for dealing batches, and nowhere else.",
        "demo_people: 8\n",
        "samples_per_bn: null\n",
        "consented",
        model.checksum,
        "differs by more than 1.5e-07",
        "Revision of the repository: not known",
    ):
        assert words in card
    metrics = read_json(RunPaths(tiny_run).evaluation("01"))
    assert f"| `01` | {metrics['mAP']:.1%} | {metrics['rank1']:.1%} |" in card
    assert "| `init` | " in card
    assert "`01` is the last of its run" in card


def test_a_model_that_is_not_the_last_or_not_trained(tiny_run):
    card = model_card(open_model("00", root=tiny_run), "onnx", CHECK)
    assert "| `00` | – | – | – | – |" in card  # the tiny run evaluates its last
    assert "The last is `01`" in card
    card = model_card(open_model("init", root=tiny_run), "onnx", CHECK)
    assert "before any training" in card
    assert "It was trained by PPLR" not in card
    assert card.count("| `init` |") == 1


def test_a_model_outside_a_run(tiny_run, tmp_path):
    folder = shutil.copytree(RunPaths(tiny_run).model("01"), tmp_path / "mine")
    card = model_card(open_model(str(folder), root=tmp_path), "torch", Check(0, 5, are_real=False))
    assert [line for line in card.splitlines() if line.startswith("## ")] == SECTIONS
    assert "Not known here: the model's folder lies in no run." in card
    assert "5 images of noise" in card
    assert "mAP" not in card


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"camera_aware": True}, "by the camera loss"),
        ({"sampler_cameras": False}, "Camera numbers were not read."),
    ],
)
def test_photographs_and_cameras(model, changes, words):
    run = model.run
    other = type(run)(run.paths.root)
    market = tiny_params(**{**PRESETS["market1501"], **changes, "dataset": "market1501"})
    vars(other)["settings"] = market
    card = model_card(replace(model, run=other), "onnx", CHECK)
    assert "`market1501`: photographs" in card
    assert words in card
    assert (
        "demo_"
        not in card.partition("```yaml")[2].partition("## Metrics")[0].partition("```yaml")[2]
    )


def test_changes_that_are_not_committed_are_said(model):
    other = replace(model)
    vars(other)["revision"] = "0123abc-dirty"
    assert "`0123abc`, with changes that are not committed" in model_card(other, "onnx", CHECK)
