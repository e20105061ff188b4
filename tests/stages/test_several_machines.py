"""A run that goes on elsewhere, through git and a DVC remote: what docs/several_machines.md says.

A folder stands in for the remote; DVC treats S3 and the like alike.
"""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.order import LAST
from tests.stages.test_dvc import make_repository, run, stages_run
from tests.tiny import digests, tiny_params, tiny_schedule, write_settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The machine that has run the pipeline and pushed it."""
    folder = make_repository(tmp_path_factory.mktemp("first"))
    run(folder, "dvc", "remote", "add", "-d", "store", str(tmp_path_factory.mktemp("remote")))
    run(folder, "git", "commit", "-q", "-m", "remote", ".dvc/config")
    run(folder, "dvc", "push")
    return folder


@pytest.fixture
def second(first: Path, tmp_path: Path) -> Path:
    """A clone elsewhere, in which nothing is pulled; its cache is empty."""
    run(tmp_path, "git", "clone", "-q", str(first), str(tmp_path / "second"))
    return tmp_path / "second"


def test_a_clone_with_nothing_but_the_remote_has_the_run(first: Path, second: Path) -> None:
    metrics = (first / "metrics.json").read_bytes()
    run(second, "dvc", "pull")
    assert digests(second / "data") == digests(first / "data")
    assert run(second, "pplr", "history") == run(first, "pplr", "history")
    assert stages_run(run(second, "dvc", "repro")) == set()
    assert run(second, "git", "status", "--short") == ""
    for name in ("metrics.json", "data/history.csv"):
        (second / name).unlink()
    assert stages_run(run(second, "dvc", "repro")) == {"summarize"}
    assert (second / "metrics.json").read_bytes() == metrics
    assert run(second, "git", "status", "--short") == ""


def test_a_part_can_be_pulled_alone(first: Path, second: Path) -> None:
    run(second, "dvc", "pull", "train-epoch@01")
    run(second, "dvc", "pull", "data/alternations/00/clusters.zarr")
    pulled = digests(second / "data")
    assert {name.split("/")[0] for name in pulled} == {"alternations", "models", "results"}
    whole = digests(first / "data")
    assert all(whole[name] == content for name, content in pulled.items())
    assert {name for name in whole if name.startswith("models/01")} <= set(pulled)
    assert not any(name.startswith("models/00") for name in pulled)


def test_it_goes_on_from_an_alternation_with_another_setting(first: Path, second: Path) -> None:
    run(second, "dvc", "pull")
    before = digests(second / "data")
    output = run(second, "dvc", "exp", "run", "--downstream", "train-epoch@01", "-S", "beta=0.3")
    assert stages_run(output) == {"train-epoch@01", "evaluate@01", *LAST}
    after = digests(second / "data")
    changed = {name for name, content in after.items() if before[name] != content}
    assert "models/01/weights.safetensors" in changed
    assert not any("/00" in name or name.startswith("dataset") for name in changed)


def test_it_goes_on_with_a_longer_schedule(second: Path) -> None:
    run(second, "dvc", "pull")
    write_settings(second, tiny_params(), tiny_schedule(epochs=3))
    output = run(second, "dvc", "repro")
    later = ("extract-features", "cluster", "compute-agreement", "train-epoch", "evaluate")
    assert stages_run(output) == {"check-settings", *LAST, *(f"{one}@02" for one in later)}


def test_a_run_that_was_stopped_is_pulled_as_far_as_it_is(
    first: Path, second: Path, tmp_path: Path
) -> None:
    """Machine 1 has stopped after alternation 00; the second one goes on from 01."""
    stopped = tmp_path / "stopped"
    run(tmp_path, "git", "clone", "-q", str(first), str(stopped))
    run(stopped, "git", "rm", "-q", "--cached", "dvc.lock")
    lock = (stopped / "dvc.lock").read_text()
    (stopped / "dvc.lock").unlink()
    run(stopped, "dvc", "config", "--local", "cache.dir", str(first / ".dvc" / "cache"))
    run(stopped, "dvc", "repro", "evaluate@init", "train-epoch@00")
    (second / "dvc.lock").write_bytes((stopped / "dvc.lock").read_bytes())
    refused = run(second, "dvc", "pull", ok=False)
    assert "Checkout failed for following targets" in refused
    run(second, "dvc", "pull", "--allow-missing")
    assert "alternation 00 (1 of 2)" in run(second, "pplr", "history")
    later = ("extract-features", "cluster", "compute-agreement", "train-epoch", "evaluate")
    output = run(second, "dvc", "repro")
    assert stages_run(output) == {*LAST, *(f"{one}@01" for one in later)}
    recorded = [YAML(typ="safe").load(text) for text in (lock, (second / "dvc.lock").read_text())]
    assert recorded[0] == recorded[1]  # in whichever order stages that do not meet have run


def test_the_record_of_runs_travels(first: Path, second: Path) -> None:
    """What the first machine has tried before need not run on the second."""
    run(first, "dvc", "exp", "run", "-S", "rerank=true")
    metrics = (first / "metrics.json").read_bytes()
    run(first, "dvc", "push", "--run-cache")
    run(first, "dvc", "exp", "run", "-S", "rerank=false")
    run(second, "dvc", "pull", "--run-cache")
    output = run(second, "dvc", "exp", "run", "--pull", "-S", "rerank=true")
    assert not any(name.startswith("evaluate") for name in stages_run(output))
    assert (second / "metrics.json").read_bytes() == metrics
