"""What `pplr verify` finds, in a repository of DVC in which the tiny run lies."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dvc.repo import Repo

from pplr.runs.verify import find_faults
from pplr.storage.checksums import write_checksums
from pplr.storage.json_files import write_json
from pplr.storage.layout import RunPaths
from tests.tiny import tiny_params, tiny_schedule, working_in, write_settings

PIPELINE = """\
stages:
  all:
    cmd: cp -r kept/data .
    outs:
      - data/models/00
      - data/dataset.zarr
      - data/results/training/00.json
      - data/history.csv
"""


def dvc(*arguments):
    command = [f"{Path(sys.executable).parent}/dvc", *arguments, "--quiet"]
    subprocess.run(command, check=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A repository with four outputs, all in DVC's cache; each test takes a copy."""
    folder = tmp_path_factory.mktemp("finished") / "repository"
    kept = RunPaths(folder / "kept")
    model = kept.model("00")
    model.mkdir(parents=True)
    (model / "weights.safetensors").write_bytes(b"w" * 100)
    write_json(model / "settings.json", {"height": 64})
    write_checksums(model)
    train = kept.split("train")
    train.mkdir(parents=True)
    (train / "pids").write_bytes(b"p" * 100)
    write_checksums(train)
    (kept.dataset / "zarr.json").write_text("{}")
    write_checksums(kept.dataset)
    write_json(kept.training("00"), {"loss": 0.5})
    kept.history.write_text("alternation\ninit\n")
    (folder / "dvc.yaml").write_text(PIPELINE)
    write_settings(folder, tiny_params(), tiny_schedule())
    with working_in(folder):
        dvc("init", "--no-scm")
        dvc("config", "cache.type", "copy")
        dvc("repro")
    return folder


@pytest.fixture
def paths(finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "repository")
    with working_in(folder):
        yield RunPaths(folder)


def found(paths):
    return [
        (str(fault.path.relative_to(paths.root)), fault.problem, fault.removable)
        for fault in find_faults(paths)
    ]


def flip(path):
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_sound_run_has_no_faults(paths):
    assert found(paths) == []


@pytest.mark.parametrize(
    ("file", "output", "problem"),
    [
        (
            "data/models/00/weights.safetensors",
            "data/models/00",
            "weights.safetensors: its content is not what was written",
        ),
        (
            "data/dataset.zarr/train/pids",
            "data/dataset.zarr",
            "pids: its content is not what was written",
        ),
        ("data/results/training/00.json", "data/results/training/00.json", "its values are not"),
        ("data/history.csv", "data/history.csv", "its content is not what dvc.lock records"),
    ],
)
def test_a_flipped_bit_of_an_output(paths, file, output, problem):
    flip(paths.root / file)
    ((path, said, removable),) = found(paths)
    assert (path, removable) == (output, True)
    assert said.startswith(problem) or "Error" in said


def test_a_missing_file_and_a_missing_list(paths):
    (paths.model("00") / "settings.json").unlink()
    assert found(paths) == [("data/models/00", "settings.json: the file is missing", True)]
    (paths.model("00") / "checksums.json").unlink()
    assert found(paths) == [("data/models/00", "checksums.json: the file is missing", True)]


@pytest.mark.parametrize("content", [None, "{"])
def test_a_file_of_ones_own_keeps_a_folder_whose_list_is_damaged(paths, content):
    (paths.model("00") / "notes.txt").write_text("mine")
    (paths.model("00") / "checksums.json").unlink()
    if content:
        (paths.model("00") / "checksums.json").write_text(content)
    ((path, said, removable),) = found(paths)
    assert (path, removable) == ("data/models/00", False)
    assert said.startswith("checksums.json: ")
    (paths.model("00") / "notes.txt").unlink()
    ((path, _, removable),) = found(paths)
    assert (path, removable) == ("data/models/00", True)  # DVC's list has all that is there
    shutil.rmtree(paths.root / ".dvc/cache/files")
    assert found(paths)[0][2] is False  # nobody knows


def test_a_file_of_ones_own_keeps_its_folder(paths):
    (paths.model("00") / "notes.txt").write_text("mine")
    flip(paths.model("00") / "weights.safetensors")
    assert found(paths) == [("data/models/00", "notes.txt: no stage has written this file", False)]


def test_every_object_of_the_cache(paths):
    objects = [p for p in (paths.root / ".dvc/cache/files/md5").rglob("*") if p.is_file()]
    # the model's two files, the split's two, three lists, two folders, the losses, the history
    assert len(objects) == 11
    for path in objects:
        content = path.read_bytes()
        flip(path)
        ((fault, said, removable),) = found(paths)
        assert fault == str(path.relative_to(paths.root))
        assert said == "its content is not what its name says"
        assert removable
        path.write_bytes(content)
    temporary = objects[0].parent / "x.tmp"
    temporary.touch()
    assert found(paths) == []  # a DVC in another folder may write it
    os.utime(temporary, (time.time() - 3700,) * 2)
    assert [problem for _, problem, _ in found(paths)] == ["a temporary file, left by a killed DVC"]


def test_an_object_that_no_stage_has_made_is_ones_own(paths):
    (paths.root / "photos").mkdir()
    (paths.root / "photos" / "a.jpg").write_bytes(b"only copy")
    dvc("add", "photos")
    objects = [p for p in (paths.root / ".dvc/cache/files/md5").rglob("*") if p.is_file()]
    cached = next(path for path in objects if path.read_bytes() == b"only copy")
    flip(cached)
    ((path, said, removable),) = found(paths)
    assert path == str(cached.relative_to(paths.root))
    assert "no stage has made it" in said
    assert not removable


def test_nothing_is_removed_beside_another_dvc(paths):
    (paths.root / ".dvc/tmp/rwlock").write_text("")
    with Repo(str(paths.root)) as repo, repo.lock:
        told = verify("--heal")
    assert told.returncode == 1
    assert "Another DVC is running in this repository." in told.stderr
    assert (paths.root / ".dvc/tmp/rwlock").exists()


def test_nothing_is_removed_while_a_stage_of_another_dvc_runs(paths):
    paths.lock.write_text("")  # as it would be removed
    command = [sys.executable, "-c", "import time; time.sleep(600)", "dvc", "repro"]
    with subprocess.Popen(command) as stage:
        noted = {"data/models/00": {"write": {"pid": stage.pid, "cmd": "dvc repro"}}}
        (paths.root / ".dvc/tmp/rwlock").write_text(json.dumps(noted))
        told = verify("--heal")
        stage.kill()
    assert told.returncode == 1
    assert "Another DVC is running in this repository." in told.stderr
    assert paths.lock.exists()
    assert verify("--heal").returncode == 0  # it has ended
    assert not paths.lock.exists()


@pytest.mark.parametrize("content", ["", "{"])
def test_what_a_killed_dvc_leaves(paths, content):
    (paths.root / ".dvc/tmp/rwlock").write_text(content)
    paths.lock.write_text("")
    for name in ("ab/abc", "cd/cde", "cd/full"):
        (paths.root / ".dvc/cache/runs" / name).mkdir(parents=True)
    (paths.root / ".dvc/cache/runs/cd/cde/value").touch()  # DVC removes it, and the folder is empty
    (paths.root / ".dvc/cache/runs/cd/full/value").write_text("cmd: true\n")
    assert [path for path, _, _ in found(paths)] == [
        "dvc.lock",
        ".dvc/tmp/rwlock",
        ".dvc/cache/runs/ab",
        ".dvc/cache/runs/cd/cde",
    ]
    assert all(removable for _, _, removable in found(paths))


@pytest.mark.parametrize("content", ["stages: [", "mine", "schema: '2.0'\nstages: 3\n"])
def test_a_lock_with_content_is_not_removed(paths, content):
    paths.lock.write_text(content)
    ((path, problem, removable),) = found(paths)
    assert (path, removable) == ("dvc.lock", False)
    assert "git has an older one" in problem


def test_a_lock_that_a_kill_has_cut_keeps_its_whole_stages(paths):
    before = paths.lock.read_text()
    other = before.partition("stages:\n")[2].replace("  all:", "  other:", 1)
    whole = before + other
    paths.lock.write_text(whole[: whole.rindex("outs:") + 2])
    (fault,) = find_faults(paths)
    assert "cut off by a kill" in fault.problem
    fault.heal()
    assert paths.lock.read_text() == before
    assert found(paths) == []
    paths.lock.write_text(before[: before.index("outs:") + 2])  # in its only stage
    (fault,) = find_faults(paths)
    fault.heal()
    assert not paths.lock.exists()
    dvc("repro")
    assert paths.lock.read_text() == before


def test_without_dvc_the_outputs_alone_are_read(paths):
    shutil.rmtree(paths.root / ".dvc")
    assert found(paths) == []


# --- the command ---------------------------------------------------------------------------


def verify(*arguments):
    command = [sys.executable, "-c", "from pplr.cli.main import main; main()", "verify"]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)


def test_healing_lets_dvc_go_on(paths):
    content = (paths.model("00") / "weights.safetensors").read_bytes()
    flip(paths.model("00") / "weights.safetensors")
    cached = next(
        path
        for path in (paths.root / ".dvc/cache/files/md5").rglob("*")
        if path.is_file() and path.read_bytes() == content
    )
    flip(cached)
    (paths.root / ".dvc/tmp/rwlock").write_text("")
    told = verify()
    assert told.returncode == 1
    assert "3 faults; `pplr verify --heal` removes 3 of them" in told.stdout
    assert paths.model("00").exists()
    assert cached.exists()
    healed = verify("--heal")
    assert (healed.returncode, healed.stderr.count("Traceback")) == (0, 0)
    assert healed.stdout.endswith("removed: 3 of 3; next: dvc repro\n")
    assert not paths.model("00").exists()
    dvc("repro")
    assert (paths.model("00") / "weights.safetensors").read_bytes() == content
    sound = verify()
    assert sound.returncode == 0
    assert sound.stdout.startswith("sound: ")


def test_what_is_ones_own_stays(paths):
    mine = paths.model("00") / "notes.txt"
    mine.write_text("mine")
    healed = verify("--heal")
    assert healed.returncode == 1
    assert f"stays, and is yours to mend or move: {paths.model('00')}" in healed.stdout
    assert mine.read_text() == "mine"
