"""The stages one after another, in this process, on the tiny data set."""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
import zarr
from ruamel.yaml import YAML
from safetensors.torch import load_file

from benchmarks.ablation import ROWS
from pplr.settings.schedule import make_schedule
from pplr.storage.arrays import read_digest
from pplr.storage.checksums import write_checksums
from pplr.storage.json_files import read_json
from pplr.storage.layout import RunPaths
from pplr.storage.replacing import remove
from stages import launch, settings
from tests.tiny import (
    ROOT,
    commands,
    digests,
    make_workspace,
    run_all,
    tiny_params,
    tiny_schedule,
    working_in,
    write_settings,
)

EXEMPT_PARAMS = {"device", "launcher", "workers"}

# of alternation 01, whose part loss is agreement-aware and whose labels are refined by the parts
RECORDED = {"part_loss": 2.1312, "global_loss": 0.9807, "triplet_loss": 3.6740, "lr": 3.5e-4}


def dvc_stages() -> dict[str, dict]:
    """Return the stages of dvc.yaml by name, the body of a foreach in place of the whole."""
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    return {name: stage.get("do", stage) for name, stage in stages.items()}


def test_the_arrays_are_as_designed(tiny_run: Path) -> None:
    alternation = tiny_run / "data" / "alternations" / "01"
    features = zarr.open_group(alternation / "features.zarr", mode="r")
    clusters = zarr.open_group(alternation / "clusters.zarr", mode="r")
    agreement = zarr.open_group(alternation / "agreement.zarr", mode="r")
    train = zarr.open_group(tiny_run / "data" / "dataset.zarr" / "train", mode="r")
    assert features["global"].shape == (48, 512)
    assert features["parts"].shape == (48, 3, 512)
    assert features["parts"].dtype == np.float16
    assert clusters["pseudo_labels"].shape == (48,)
    assert clusters["pseudo_labels"].dtype == np.int32
    assert clusters["ranked_list"].shape == (48, 5)  # max(k, k1 - 1)
    assert agreement["ranked_lists"].shape == (48, 3, 5)
    assert agreement["cross_agreement"].shape == (48, 3)
    assert train["images"].shape == (48, 64, 32, 3)
    norms = np.linalg.norm(features["parts"][...].astype(np.float32), axis=2)
    np.testing.assert_allclose(norms, 1, atol=2e-3)
    tables = {group.attrs["table"] for group in (features, clusters, agreement, train)}
    assert len(tables) == 1


def test_the_last_alternation_is_reported(tiny_run: Path) -> None:
    metrics = json.loads((tiny_run / "metrics.json").read_text())
    last = json.loads((tiny_run / "data/results/evaluation/01.json").read_text())
    assert metrics == {key: last[key] for key in ("mAP", "rank1", "rank5", "rank10")}
    lines = (tiny_run / "data/history.csv").read_text().splitlines()
    header = "alternation,clusters,outliers,agreement,agreement_1,agreement_2,agreement_3"
    assert lines[0].startswith(header)
    assert [line.split(",")[0] for line in lines[1:]] == ["init", "00", "01"]


def test_a_fixed_seed_gives_the_recorded_losses(tiny_run: Path) -> None:
    losses = read_json(tiny_run / "data/results/training/01.json")
    # Adam makes a hundredth of what another machine sums in another order
    assert losses == pytest.approx(RECORDED, rel=1e-2)


class Watched(NamedTuple):
    """A second run, and what was seen of each stage."""

    folder: Path
    read: dict[str, set[str]]  # settings by stage
    written: list[tuple[tuple[str, ...], set[str]]]  # files by command


class Recorder:
    """Params that remember which of them were asked for."""

    def __init__(self, read: set[str]) -> None:
        self._read = read
        self._params = tiny_params()

    def __getattr__(self, name: str) -> object:
        if name in type(self._params).model_fields:
            self._read.add(name)
            return getattr(self._params, name)
        # methods read through this recorder, too
        return getattr(type(self._params), name).__get__(self)


def written_when(folder: Path) -> dict[str, int]:
    """Return when each file that a run writes was written, by relative path."""
    return {path: (folder / path).stat().st_mtime_ns for path in digests(folder)}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    found = Watched(make_workspace(tmp_path_factory.mktemp("watched")), {}, [])
    read: set[str] = set()
    there = written_when(found.folder)

    def note(command: tuple[str, ...]) -> None:
        found.read.setdefault(command[0], set()).update(read)
        read.clear()
        now = written_when(found.folder)
        found.written.append((command, {path for path in now if now[path] != there.get(path)}))
        there.update(now)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "params", lambda: Recorder(read))
        run_all(found.folder, then=note)
    return found


def test_the_same_run_twice_gives_the_same_bytes(tiny_run: Path, watched: Watched) -> None:
    assert digests(watched.folder / "data") == digests(tiny_run / "data")


def test_identities_never_reach_a_model(tiny_run: Path, tmp_path: Path) -> None:
    noisy = make_workspace(tmp_path)

    def replace_pids(command: tuple[str, ...]) -> None:
        if command[0] == "prepare-data":
            for split in ("train", "query", "gallery"):
                group = zarr.open_group(noisy / "data/dataset.zarr" / split, mode="r+")
                pids = group["pids"]
                # two identities only, so that evaluation still finds matches
                pids[...] = np.random.default_rng(0).integers(1, 3, pids.shape).astype(np.int32)
                write_checksums(noisy / "data/dataset.zarr" / split)

    run_all(noisy, then=replace_pids)
    for part in ("models", "alternations", "results/training"):
        assert digests(noisy / "data" / part) == digests(tiny_run / "data" / part)
    assert digests(noisy / "data/results/evaluation") != digests(
        tiny_run / "data/results/evaluation"
    )


def test_every_stage_reads_the_settings_it_lists(watched: Watched) -> None:
    listed = {name: set(stage.get("params", ())) for name, stage in dvc_stages().items()}
    seen = {name: keys - EXEMPT_PARAMS for name, keys in watched.read.items()}
    del seen["check-settings"], listed["check-settings"]  # it depends on the whole files
    # stages.launch reads it as a process begins, which these do not
    assert seen == {name: keys - {"arithmetic"} for name, keys in listed.items()}
    assert all("arithmetic" in keys for keys in listed.values())


def test_every_stage_writes_exactly_its_outs(watched: Watched) -> None:
    stages = dvc_stages()
    assert [command for command, _ in watched.written] == commands()
    for command, new in watched.written:
        name = command[1] if len(command) > 1 else ""
        stage = stages[command[0]]
        metrics = [path for metric in stage.get("metrics", ()) for path in metric]
        outs = [
            out.replace("${key}", name).replace("${item}", name)
            for out in [*stage["outs"], *metrics]
        ]
        for out in outs:
            assert any(path == out or path.startswith(out + "/") for path in new), out
        extra = {p for p in new if not any(p == out or p.startswith(out + "/") for out in outs)}
        assert extra == set()


def test_a_failing_stage_leaves_what_was_there(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = digests(tiny_run / "data")
    bad = tiny_params(eps=0.01, min_samples=40)
    monkeypatch.setattr(settings, "params", lambda: bad)
    with working_in(tiny_run):
        assert launch.main("cluster", "01") == 1
    message = capsys.readouterr().err
    assert "cluster 01: There are too few clusters" in message
    assert "eps" in message
    assert "0 clusters, 48 outliers among 48 images" in message
    assert digests(tiny_run / "data") == before


def rerun(run: Path, folder: Path, stages: dict[tuple[str, ...], str], **changes: object) -> None:
    """Run some stages anew in a copy of a run with other settings, without what they made."""
    make_workspace(folder, **changes)
    shutil.copytree(run / "data", folder / "data")
    for out in stages.values():
        remove(folder / "data" / out)
    with working_in(folder):
        for stage, out in stages.items():
            assert launch.main(*stage) == 0
            assert (folder / "data" / out).exists()


def test_fewer_clusters_than_a_batch_wants_train_on(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = {
        ("train-epoch", "00", "init"): "models/00",
        ("extract-features", "01", "00"): "alternations/01/features.zarr",
        ("cluster", "01"): "alternations/01/clusters.zarr",
    }
    rerun(tiny_run, tmp_path, stages, batch_size=96)
    assert "clusters, fewer than a batch's 32: batches of" in capsys.readouterr().out


def test_approximate_search_and_re_ranking(tiny_run: Path, tmp_path: Path) -> None:
    stages = {
        ("cluster", "00"): "alternations/00/clusters.zarr",
        ("compute-agreement", "00"): "alternations/00/agreement.zarr",
        ("train-epoch", "00", "init"): "models/00",
        ("evaluate", "init"): "results/evaluation/init.json",
    }
    rerun(tiny_run, tmp_path, stages, search="approximate", rerank=True)
    alternation = tmp_path / "data/alternations/00"
    clusters = zarr.open_group(alternation / "clusters.zarr", mode="r")
    agreement = zarr.open_group(alternation / "agreement.zarr", mode="r")
    for array in (clusters["ranked_list"], agreement["ranked_lists"]):
        assert array.attrs["search"] == "exact"  # so few images
    assert digests(tmp_path / "data/models") == digests(tiny_run / "data/models")
    reranked = json.loads((tmp_path / "data/results/evaluation/init.json").read_text())
    straight = json.loads((tiny_run / "data/results/evaluation/init.json").read_text())
    assert reranked["num_valid_queries"] == straight["num_valid_queries"]
    assert reranked["mAP"] != straight["mAP"]


def test_a_learned_pooling_goes_through_the_pipeline(tiny_run: Path, tmp_path: Path) -> None:
    folder = make_workspace(tmp_path, pooling="gem")
    run_all(folder)
    powers = {}
    for name in ("init", "00", "01"):
        model = folder / "data/models" / name
        settings_of = json.loads((model / "settings.json").read_text())
        assert settings_of["pooling"] == "gem"
        assert settings_of["mean"] == [0.485, 0.456, 0.406]
        powers[name] = load_file(model / "weights.safetensors")["pooling.p"].item()
    assert powers["init"] == 3
    assert len(set(powers.values())) == 3  # each epoch trains it
    plain = load_file(tiny_run / "data/models/init/weights.safetensors")
    other = load_file(folder / "data/models/init/weights.safetensors")
    assert set(other) - set(plain) == {"pooling.p"}
    assert all(torch.equal(plain[key], other[key]) for key in plain)


def test_every_ablation_runs(tiny_run: Path, tmp_path: Path) -> None:
    folder = make_workspace(tmp_path)
    shutil.copytree(tiny_run / "data", folder / "data")
    whole = json.loads((tiny_run / "data/results/training/01.json").read_text())
    seen = {tuple(whole.values())}
    for row, changes in ROWS.items():
        params = tiny_params(**changes, pglr_epoch=0, aals_epoch=1)
        write_settings(folder, params, tiny_schedule())
        with working_in(folder):
            assert launch.main("compute-agreement", "01") == 0
            assert launch.main("train-epoch", "01", "00") == 0
        losses = json.loads((folder / "data/results/training/01.json").read_text())
        assert ("camera_loss" in losses) == params.camera_aware
        assert (folder / "data/models/01/ema.safetensors").exists() == (
            params.global_refinement == "mean-teacher"
        )
        agreement = zarr.open_group(folder / "data/alternations/01/agreement.zarr", mode="r")
        assert ("part_agreement" in agreement) == (params.part_refinement == "parts")
        new = tuple(losses.values())
        assert (new in seen) == (row == "PPLR"), row
        seen.add(new)


@pytest.mark.parametrize(
    ("group", "command"),
    [
        ("features", ("train-epoch", "00", "init")),
        ("clusters", ("train-epoch", "00", "init")),
        ("agreement", ("train-epoch", "00", "init")),
        ("features", ("compute-agreement", "00")),
    ],
)
def test_arrays_of_another_table_are_refused(
    tiny_run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    group: str,
    command: tuple[str, ...],
) -> None:
    folder = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    path = RunPaths(folder).arrays("00", group)
    file = path / "zarr.json"
    file.write_text(file.read_text().replace(read_digest(path), "0" * 64))
    write_checksums(path)
    with working_in(folder):
        assert launch.main(*command) == 1
    assert "belong to another table of images" in capsys.readouterr().err


def test_random_weights_are_the_seeds(tmp_path: Path) -> None:
    made = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        folder = make_workspace(tmp_path / name, weights="random", seed=seed)
        schedule = make_schedule(
            epochs=1, evaluate_every=1, images="pplr/datasets/demo", weights="random"
        )
        write_settings(folder, tiny_params(weights="random", seed=seed), schedule)
        torch.seed()  # another process
        with working_in(folder):
            assert launch.main("init-model") == 0
        made.append((RunPaths(folder).model("init") / "weights.safetensors").read_bytes())
    assert made[0] == made[1] != made[2]


def test_a_setting_out_of_range_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_workspace(tmp_path)
    text = (folder / "params.yaml").read_text().replace("beta: 0.5", "beta: 1.5")
    (folder / "params.yaml").write_text(text)
    with working_in(folder):
        assert launch.main("check-settings") == 1
    message = capsys.readouterr().err
    assert "`beta`" in message
    assert "1.5" in message
    assert ">= 0" in message
    assert not (folder / "data").exists()


def test_weights_that_the_schedule_does_not_name_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_workspace(tmp_path)
    write_settings(folder, tiny_params(weights="elsewhere.pth"), tiny_schedule())
    with working_in(folder):
        assert launch.main("check-settings") == 1
    assert "name different weights" in capsys.readouterr().err
