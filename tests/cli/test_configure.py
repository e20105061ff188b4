import subprocess
import sys

import pytest

from pplr.datasets import read_dataset
from pplr.datasets.remarks import format_counts
from pplr.settings.groups import DemoSettings, ImageSettings
from pplr.settings.params import load_params, parse_params
from pplr.settings.presets import PRESETS
from pplr.settings.schedule import load_schedule
from pplr.storage.replacing import locked

COUNTS = """\
split     images  identities  cameras
train          3           2        2
query          1           1        1
gallery        2           1        2
"""


def test_configure_writes_both_files_and_tells_what_it_found(repository, run):
    code, out, err = run(
        "configure", "market1501", "--data-dir", "images", "--epochs", 2, "--set", "beta=0.3"
    )
    assert code == 0
    assert err.startswith("warning: not the counts of the published data set: 3 training images (")
    assert err.count("\n") == 1
    assert out.startswith(COUNTS + "on disk, about 659 MB in data/, and as much again")
    assert "\n  train-epoch           2 × 282 MB\n" in out
    assert out.endswith("params.yaml and schedule.yaml: market1501, 2 epochs\nnext: dvc repro\n")
    params = load_params(repository / "params.yaml")
    assert params.model_dump() == PRESETS["market1501"] | {"beta": 0.3}
    schedule = load_schedule(repository / "schedule.yaml")
    assert schedule.inputs == {"images": "images", "weights": "pplr/network/weights.py"}


def test_configure_tells_what_it_changed(repository, run):
    run("configure", "demo")
    code, out, _ = run("configure", "demo", "--set", "beta=0.3", "--set", "k1=20")
    assert code == 0
    assert "  k1: 16 -> 20\n  beta: 0.5 -> 0.3\n" in out


def test_two_at_once_write_one_after_the_other(repository, run):
    run("configure", "demo")
    params = repository / "params.yaml"
    command = [sys.executable, "-uPc", "from pplr.cli.main import main; main()"]
    command += ["configure", "demo", "--set", "beta=0.3"]
    with locked(repository / "dvc.yaml"):  # as the first of them has it
        second = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert second.stdout.readline()  # its counts, before it reads what is there
        params.write_text(params.read_text().replace("k1: 16", "k1: 20"))
    out, _ = second.communicate()
    assert "  k1: 20 -> 16\n  beta: 0.5 -> 0.3\n" in out  # it has seen what the first wrote


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["market"], "There is no such data set."),
        (["market1501"], "--data-dir"),
        (["market1501", "--data-dir", "nowhere"], "There is no such folder of images."),
        (["demo", "--data-dir", "images"], "--data-dir"),
        (["demo", "--set", "btea=0.3"], "did you mean `beta`?"),
        (["demo", "--set", "beta=2"], "The setting `beta` cannot be used."),
        (["demo", "--set", "beta"], "A setting could not be read."),
        (["demo", "--set", "weights=nowhere.pth"], "An input of the pipeline is missing."),
        (["demo", "--set", "weights=imagenet"], "no ImageNet weights for this backbone"),
        (["demo", "--set", "device=cuda:63"], "torch cannot use this device."),
        (["demo", "--set", "dataset=market1501"], "Two data sets are named."),
    ],
)
def test_nothing_is_written_when_anything_is_wrong(repository, run, arguments, said):
    (repository / "params.yaml").write_text("mine\n")
    (repository / "schedule.yaml").write_text("mine too\n")
    code, out, err = run("configure", *arguments)
    assert code == 1
    assert out == ""
    assert said in err
    assert "  next:    " in err
    assert (repository / "params.yaml").read_text() == "mine\n"
    assert (repository / "schedule.yaml").read_text() == "mine too\n"


def test_configure_runs_at_the_root_of_the_repository_only(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("configure", "demo")
    assert (code, out) == (1, "")
    assert "This is not the root of the repository." in err
    assert list(tmp_path.iterdir()) == []


# --- format_counts --------------------------------------------------------------------------


def read(params, source):
    return read_dataset(params.select(ImageSettings), params.select(DemoSettings), source)


def test_counts_by_hand(repository):
    # The distractor 0000 is no identity, but its camera counts.
    params = parse_params(PRESETS["market1501"], where="x")
    assert format_counts(read(params, repository / "images")) + "\n" == COUNTS


def test_counts_of_the_demo(tmp_path):
    small = {"demo_people": 4, "demo_images": 4, "demo_cameras": 2, "demo_distractors": 3}
    params = parse_params(PRESETS["demo"] | small, where="x")
    lines = format_counts(read(params, tmp_path / "not read")).splitlines()
    assert lines[1].split() == ["train", "16", "4", "2"]
    # 4 other people in 2 cameras: a query from each camera, the rest and 3 distractors in gallery
    assert lines[2].split() == ["query", "8", "4", "2"]
    assert lines[3].split() == ["gallery", "11", "4", "2"]
