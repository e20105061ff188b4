"""Runs of other revisions, from DVC's cache, without a checkout."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pplr.runs.revision as revision_module
from pplr.errors import MissingInputError
from pplr.runs import open_run
from pplr.runs.compare import beyond, compare_runs
from pplr.storage.arrays import read_arrays, read_digest, write_arrays
from tests.tiny import tiny_schedule, working_in

PIPELINE = """\
stages:
  all:
    cmd: cp -r kept/data . && cp kept/metrics.json .
    outs:
"""


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def dvc(*arguments):
    run(f"{Path(sys.executable).parent}/dvc", *arguments, "--quiet")


def commit(tag):
    dvc("repro", "--force")
    run("git", "add", ".")
    run("git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "-m", tag)
    run("git", "tag", tag)


@pytest.fixture(scope="module")
def repository(tiny_run, tmp_path_factory):
    """A repository of git and DVC, below the root of git, with the run `one` and, now, `two`."""
    root = tmp_path_factory.mktemp("git") / "below"
    (root / "kept").mkdir(parents=True)
    shutil.copytree(tiny_run / "data", root / "kept" / "data")
    shutil.copy(tiny_run / "metrics.json", root / "kept")
    for name in ("params.yaml", "schedule.yaml"):
        shutil.copy(tiny_run / name, root)
    outputs = open_run(tiny_run).paths.outputs(("init", *tiny_schedule().alternations))
    listed = [path.relative_to(tiny_run) for path in outputs if path.exists()]
    lines = [f"      - {path}:\n          cache: {path.name != 'metrics.json'}" for path in listed]
    (root / "dvc.yaml").write_text(PIPELINE + "\n".join(line.lower() for line in lines) + "\n")
    (root / ".gitignore").write_text("/kept\n")
    with working_in(root):
        run("git", "init", "-q", "-b", "main", "..")
        dvc("init", "--subdir")
        commit("one")
        path = open_run(root / ".").paths.arrays("01", "clusters")
        path = root / "kept" / path.relative_to(root)
        labels, ranked = map(np.array, read_arrays(path, "pseudo_labels", "ranked_list"))
        labels[:5] = -1
        digest = read_digest(path)
        write_arrays(path, {"pseudo_labels": labels, "ranked_list": ranked}, digest=digest)
        commit("two")
    return root


def test_a_revision_is_the_run_that_was_committed(repository, tiny_run):
    before = subprocess.run(["git", "status", "--short"], cwd=repository, stdout=subprocess.PIPE)
    one = open_run(repository, revision="one")
    assert one.missing == ()
    assert beyond(compare_runs(open_run(tiny_run), one), {}) == []
    assert one.history() == open_run(tiny_run).history()
    assert one.row(3).path == open_run(tiny_run).row(3).path
    two = open_run(repository, revision="HEAD")
    changed = {(one.row, one.measure) for one in beyond(compare_runs(one, two), {})}
    assert ("01", "rand_index") in changed
    assert {row for row, _ in changed} == {"01"}
    assert beyond(compare_runs(two, open_run(repository)), {}) == []
    after = subprocess.run(["git", "status", "--short"], cwd=repository, stdout=subprocess.PIPE)
    assert after.stdout == before.stdout


def test_what_the_cache_lacks_is_as_if_not_made(repository, tmp_path):
    copy = shutil.copytree(repository.parent, tmp_path / "copy", symlinks=True) / "below"
    features = open_run(copy, revision="one").paths.arrays("00", "features")
    target = (features / "global" / "c" / "0" / "0").readlink()
    target.unlink()
    one = open_run(copy, revision="one")
    assert one.missing == ("data/alternations/00/features.zarr",)
    assert "features" not in one.alternation("00").there
    comparison = compare_runs(one, open_run(copy))
    assert comparison.not_compared == ["features of 00: only in B"]
    for name in ("features", "clusters", "agreement"):  # all of an alternation
        group = open_run(copy, revision="one").paths.arrays("00", name)
        for target in [path.readlink() for path in group.rglob("*") if path.is_symlink()]:
            target.unlink(missing_ok=True)
    one.paths.training("00").unlink()
    with pytest.raises(MissingInputError, match="dvc fetch --all-commits"):
        open_run(copy, revision="one").alternation("07")
    shutil.rmtree(copy / ".dvc" / "cache")
    with pytest.raises(MissingInputError, match="fetch"):
        open_run(copy, revision="one")


@pytest.mark.parametrize(
    ("revision", "text"),
    [
        ("none", "no such revision"),
        ("--all", "no such revision"),
        ("HEAD:params.yaml", "no such revision"),
        ("HEAD^{tree}", "no such revision"),
        ("\udcff", "no such revision"),
        ("..", "no such revision"),
    ],
)
def test_revisions_that_are_not_there(repository, revision, text):
    with pytest.raises(MissingInputError, match=text):
        open_run(repository, revision=revision)


@pytest.mark.parametrize("output", ["../evil", "data/../../evil", "{tmp_path}/evil"])
def test_an_output_outside_is_as_if_not_cached(tmp_path, output):
    cache, folder = tmp_path / "cache", tmp_path / "run"
    (cache / "ab").mkdir(parents=True)
    (cache / "ab" / "cd").touch()
    folder.mkdir()
    assert not revision_module._link(cache, "abcd", folder, output.format(tmp_path=tmp_path))
    assert not (tmp_path / "evil").is_symlink()
    assert revision_module._link(cache, "abcd", folder, "data/good")


def test_a_revision_without_a_run(repository):
    with working_in(repository):
        tree = subprocess.run(
            ["git", "mktree"], input=b"", stdout=subprocess.PIPE, check=True
        ).stdout.decode()
        arguments = [
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.com",
            "commit-tree",
            "-m",
            "e",
        ]
        empty = subprocess.run(
            ["git", *arguments, tree.strip()], stdout=subprocess.PIPE, check=True
        ).stdout.decode()
    with pytest.raises(MissingInputError, match="holds no run"):
        open_run(repository, revision=empty.strip())


def test_a_folder_without_a_repository(tiny_run):
    with pytest.raises(MissingInputError, match="git and DVC"):
        open_run(tiny_run, revision="main")
