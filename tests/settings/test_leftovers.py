"""What `pplr configure` removes, in a real DVC repository."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.repo import Repo

from pplr.errors import SettingError
from pplr.settings.changes import apply_changes, find_changes
from pplr.settings.configure import make_settings
from pplr.settings.leftovers import leftovers
from pplr.storage.layout import RunPaths
from tests.tiny import working_in

# As the pipeline's: of each alternation a folder of two files, and a file.
PIPELINE = """\
stages:
  train-epoch:
    foreach: {"00": init, "01": "00", "02": "01", "03": "02"}
    do:
      cmd: >-
        mkdir -p data/models/${key} data/results/training &&
        echo ${key} > data/models/${key}/weights && echo x > data/models/${key}/settings &&
        echo ${key} > data/results/training/${key}.json
      outs:
        - data/models/${key}
        - data/results/training/${key}.json
"""
KNOWN = {"init", "00", "01"}


def dvc(*arguments: str) -> None:
    command = [f"{Path(sys.executable).parent}/dvc", *arguments, "--quiet"]
    subprocess.run(command, check=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A repository in which the pipeline has run, of which each test takes a copy."""
    folder = tmp_path_factory.mktemp("finished") / "repository"
    folder.mkdir()
    (folder / "dvc.yaml").write_text(PIPELINE)
    with working_in(folder):
        dvc("init", "--no-scm")
        dvc("repro")
    return folder


@pytest.fixture
def repository(finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "repository")
    with working_in(folder):
        yield folder


def by_name(found):
    return [[str(path) for path in paths] for paths in found]


OF_02 = ["data/models/02", "data/results/training/02.json"]
OF_03 = ["data/models/03", "data/results/training/03.json"]


def test_outputs_that_the_cache_holds_may_go(repository):
    assert by_name(leftovers(RunPaths(), KNOWN)) == [sorted(OF_02 + OF_03), []]
    assert by_name(leftovers(RunPaths(), {*KNOWN, "02"})) == [OF_03, []]
    assert by_name(leftovers(RunPaths(), {*KNOWN, "02", "03"})) == [[], []]


@pytest.mark.parametrize("change", ["added", "edited", "hidden", "removed"])
def test_an_output_that_was_changed_stays(repository, change):
    folder = repository / "data/models/03"
    (repository / ".dvcignore").write_text("*.ignored\n")
    if change == "added":
        (folder / "notes.txt").write_text("mine\n")
    elif change == "hidden":
        (folder / "notes.ignored").write_text("mine\n")
    else:
        (folder / "weights").unlink()
    if change == "edited":
        (folder / "weights").write_text("04\n")
    going, staying = by_name(leftovers(RunPaths(), KNOWN))
    assert going == sorted([*OF_02, "data/results/training/03.json"])
    assert staying == ["data/models/03"]


@pytest.mark.parametrize("damage", ["missing", "overwritten"])
def test_an_output_that_the_cache_does_not_hold_stays(repository, damage):
    content = (repository / "data/models/02/weights").read_bytes()
    files = [path for path in (repository / ".dvc/cache").rglob("*") if path.is_file()]
    # the bytes of `03` are those of two outputs
    cached = next(path for path in files if path.read_bytes() == content)
    cached.chmod(0o644)
    cached.unlink()
    if damage == "overwritten":
        cached.write_text("other\n")
    assert by_name(leftovers(RunPaths(), KNOWN)) == [OF_03, OF_02]
    assert (repository / "data/models/02/weights").read_bytes() == content


def test_without_a_lock_nothing_goes(repository):
    (repository / "dvc.lock").unlink()
    assert leftovers(RunPaths(), KNOWN) == ([], [])


def test_configure_removes_outputs_and_nothing_else(repository):
    mine = [
        "data/models/mine.safetensors",
        "data/models/x/photo.jpg",
        "data/models/07/weights",  # named like an alternation's, but nobody's output
        "data/alternations/07/notes.md",
        "data/results/training/mine.json",
        "data/raw/photo.jpg",
    ]
    for name in mine:
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(name)
    kept = "data/models/03"
    made = make_settings("demo", None, epochs=2, cameras=False, overrides=[])
    made.schedule.inputs["weights"] = str(repository / kept / "weights")  # as configure names it
    changes = find_changes(made)
    removed = sorted([*OF_02, "data/results/training/03.json"])
    assert changes.lines == [f"{path} -> removed; it is in DVC's cache" for path in removed]
    assert all((repository / path).exists() for path in (*mine, *removed, kept))
    apply_changes(changes)
    assert [(repository / name).read_text() for name in mine] == mine
    assert not any((repository / path).exists() for path in removed)
    assert (repository / kept / "weights").read_text() == "03\n"
    dvc("checkout")
    assert all((repository / path).exists() for path in removed)


def test_nothing_is_removed_or_written_while_a_dvc_runs(repository):
    made = make_settings("demo", None, epochs=2, cameras=False, overrides=[])
    changes = find_changes(made)
    assert changes.leftovers
    (repository / "params.yaml").write_text("mine")
    with Repo(".") as repo, repo.lock, pytest.raises(SettingError, match="Another DVC is running"):
        apply_changes(changes)
    assert (repository / "params.yaml").read_text() == "mine"
    assert all(path.exists() for path in changes.leftovers)
    apply_changes(changes)
    assert not any(path.exists() for path in changes.leftovers)


def test_without_a_repository_or_with_a_broken_lock_nothing_goes(repository):
    lock = repository / "dvc.lock"
    content = lock.read_text()
    lock.write_text("stages: [")
    assert leftovers(RunPaths(), KNOWN) == ([], [])
    lock.write_text(content)
    (repository / ".dvc").rename(repository / "not-dvc")
    assert by_name(leftovers(RunPaths(), KNOWN)) == [[], sorted(OF_02 + OF_03)]


def test_a_damaged_object_of_the_cache_is_no_copy(repository):
    """DVC itself trusts objects that are read-only."""
    content = (repository / "data/models/02/weights").read_bytes()
    files = [path for path in (repository / ".dvc/cache").rglob("*") if path.is_file()]
    cached = next(path for path in files if path.read_bytes() == content)
    cached.chmod(0o644)
    cached.unlink()
    cached.write_text("04\n")
    cached.chmod(0o444)
    assert by_name(leftovers(RunPaths(), KNOWN)) == [OF_03, OF_02]


def test_outputs_of_stages_of_ones_own_are_not_looked_at(repository):
    with Path("dvc.yaml").open("a") as pipeline:
        pipeline.write(
            "  export:\n    foreach: [mobile, '07']\n    do:\n"
            "      cmd: mkdir -p data/exports && echo ${item} > data/exports/${item}\n"
            "      outs: ['data/exports/${item}']\n"
        )
    dvc("repro")
    going, staying = leftovers(RunPaths(), {*KNOWN, "02", "03"})
    assert going == staying == []


@pytest.mark.parametrize(
    "lock",
    [
        "stages:\n",
        "[]\n",
        "stages: [a]\n",
        "stages: {x@02: null}\n",
        "stages: {x@02: {outs: [a, {path: data/models/02}]}}\n",
    ],
)
def test_a_lock_of_another_shape_has_nothing_to_remove(repository, lock):
    (repository / "dvc.lock").write_text(lock)
    assert leftovers(RunPaths(), KNOWN)[0] == []
