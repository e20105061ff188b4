import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from pplr.cli import main as cli
from pplr.datasets import read_dataset
from pplr.datasets.remarks import format_counts
from pplr.settings.configure import DEMO_IMAGES, NAMED_WEIGHTS
from pplr.settings.params import load_params, parse_params
from pplr.settings.presets import PRESETS
from pplr.settings.schedule import load_schedule

IMAGES = (
    "bounding_box_train/0002_c1s1_000001_00.jpg",
    "bounding_box_train/0002_c2s1_000001_00.jpg",
    "bounding_box_train/0007_c2s1_000001_00.jpg",
    "query/0001_c1s1_000001_00.jpg",
    "bounding_box_test/0000_c3s1_000001_00.jpg",
    "bounding_box_test/0001_c2s1_000001_00.jpg",
)

COUNTS = """\
split     images  identities  cameras
train          3           2        2
query          1           1        1
gallery        2           1        2
"""


@pytest.fixture
def repository(tmp_path, monkeypatch):
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    for name in IMAGES:
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 8)).save(path)
    for name in (DEMO_IMAGES, NAMED_WEIGHTS["imagenet"], PRESETS["demo"]["weights"]):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command in this process; return exit code, standard output and standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["pplr", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        output = capsys.readouterr()
        return caught.value.code, output.out, output.err

    return run


# --- configure -----------------------------------------------------------------------------


def test_configure_writes_both_files_and_tells_what_it_found(repository, run):
    code, out, err = run(
        "configure", "market1501", "--data-dir", "images", "--epochs", 2, "--set", "beta=0.3"
    )
    assert code == 0
    assert err.startswith("warning: not the counts of the published data set: 3 training images (")
    assert err.count("\n") == 1
    assert out == COUNTS + (
        "params.yaml and schedule.yaml: market1501, 2 epochs\nnext: dvc repro\n"
    )
    params = load_params(repository / "params.yaml")
    assert params.model_dump() == PRESETS["market1501"] | {"beta": 0.3}
    schedule = load_schedule(repository / "schedule.yaml")
    assert schedule.inputs == {"images": "images", "weights": "pplr/network/weights.py"}


def test_configure_tells_what_it_changed(repository, run):
    run("configure", "demo")
    code, out, _ = run("configure", "demo", "--set", "beta=0.3", "--set", "k1=20")
    assert code == 0
    assert "  k1: 16 -> 20\n  beta: 0.5 -> 0.3\n" in out


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


@pytest.mark.parametrize(
    "arguments", [["configure"], ["configure", "demo", "--epochs", "0"], ["nonsense"]]
)
def test_a_wrong_command_line_is_exit_code_2(repository, run, arguments):
    code, _, err = run(*arguments)
    assert code == 2
    assert err.startswith("Usage: ")
    assert "Traceback" not in err
    assert not (repository / "params.yaml").exists()


def test_a_users_mistake_gives_no_traceback(repository):
    command = Path(sys.executable).with_name("pplr")
    finished = subprocess.run(
        [command, "configure", "demo", "--set", "btea=0.3"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 1
    assert finished.stdout == ""
    assert finished.stderr.startswith("There is no setting `btea`.\n  where:   --set\n")
    assert "Traceback" not in finished.stderr


# --- history -------------------------------------------------------------------------------


def test_history_before_the_first_run(repository, run):
    code, out, err = run("history")
    assert (code, out) == (1, "")
    assert "There is no history yet." in err
    assert "dvc repro" in err


@pytest.mark.parametrize("weights", ["random", PRESETS["demo"]["weights"]])
def test_history_prints_the_table_and_where_things_lie(repository, run, weights):
    run("configure", "demo", "--set", f"weights={weights}")
    (repository / "data").mkdir()
    (repository / "data" / "history.csv").write_text(
        "alternation,clusters,outliers,agreement_1,adjusted_rand_index,mAP,rank1\n"
        "init,,,,,0.25,0.5\n"
        "00,12,3,0.125,0.75,0.5,0.625\n"
    )
    code, out, err = run("history")
    assert (code, err) == (0, "")
    assert "0.625" in out
    assert "data/alternations/<e>/clusters.zarr" in out
    assert "for looking only" in out
    assert ("stand-in for ImageNet weights" in out) == (weights != "random")


# --- format_counts --------------------------------------------------------------------------


def test_counts_by_hand(repository):
    # The distractor 0000 is no identity, but its camera counts.
    params = parse_params(PRESETS["market1501"], where="x")
    assert format_counts(read_dataset(params, repository / "images")) + "\n" == COUNTS


def test_counts_of_the_demo(tmp_path):
    small = {"demo_people": 4, "demo_images": 4, "demo_cameras": 2, "demo_distractors": 3}
    params = parse_params(PRESETS["demo"] | small, where="x")
    lines = format_counts(read_dataset(params, tmp_path / "not read")).splitlines()
    assert lines[1].split() == ["train", "16", "4", "2"]
    # 4 other people in 2 cameras: a query from each camera, the rest and 3 distractors in gallery
    assert lines[2].split() == ["query", "8", "4", "2"]
    assert lines[3].split() == ["gallery", "11", "4", "2"]


def test_what_the_system_refuses_is_one_message(run, repository):
    (repository / "params.yaml").mkdir()
    code, _, err = run("configure", "demo")
    assert code == 1
    assert err == (
        "The system refuses a file or folder.\n"
        "  where:   params.yaml\n"
        "  found:   Is a directory\n"
        "  allowed: what this user may read and write, on a disk with room\n"
        "  next:    change its permissions, make room, or name another one\n"
    )
