"""Damage of every kind to every file that a stage reads is noticed, or changes nothing."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from stages import launch
from tests.tiny import digests, working_in

# The stages that read an output of the tiny run, whose last alternation is 01.
EXTRACT, CLUSTER = ("extract-features", "01", "00"), ("cluster", "01")
AGREE, TRAIN = ("compute-agreement", "01"), ("train-epoch", "01", "00")
EVALUATE, SUMMARIZE = ("evaluate", "01"), ("summarize",)
READERS = {
    "data/dataset.zarr/train": [EXTRACT, TRAIN, SUMMARIZE],
    "data/dataset.zarr/query": [EVALUATE],
    "data/dataset.zarr/gallery": [EVALUATE],
    "data/alternations/01/features.zarr": [CLUSTER, AGREE, TRAIN],
    "data/alternations/01/clusters.zarr": [AGREE, TRAIN, SUMMARIZE],
    "data/alternations/01/agreement.zarr": [TRAIN, SUMMARIZE],
    "data/models/00": [EXTRACT, TRAIN],
    "data/models/01": [EVALUATE],
    "data/results/training/00.json": [SUMMARIZE],
    "data/results/evaluation/01.json": [SUMMARIZE],
}
WAYS = ("flip", "flip", "flip", "cut", "empty", "longer", "delete", "extra")


def files_of(output: Path) -> list[Path]:
    return sorted(p for p in output.rglob("*") if p.is_file()) if output.is_dir() else [output]


def damage(file: Path, way: str, rng: np.random.Generator) -> None:
    """Damage a file in a way; `extra` puts another beside it."""
    content = bytearray(file.read_bytes())
    if way == "extra":
        file.with_name("another").write_bytes(content)
    elif way == "delete":
        file.unlink()
    else:
        if way == "flip" and content:
            content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        elif way == "longer":
            content.append(0)
        else:
            content = content[: rng.integers(len(content))] if way == "cut" and content else b""
        file.write_bytes(content)


def is_noticed(folder: Path, output: str, stage: tuple[str, ...], capsys) -> bool:
    """Return whether a stage refuses; if not, it must have written the very same bytes."""
    before = digests(folder / "data")
    capsys.readouterr()
    code = launch.main(*stage)
    error = capsys.readouterr().err
    if code == 0:
        assert digests(folder / "data") == before, f"{stage} was silently wrong"
        return False
    # it names the file or the folder it is in, or how far the run is without it
    assert output in error or "The run is not finished" in error, error
    assert "next:    " in error
    return True


def attack(folder: Path, sound: Path, capsys, *, cases: int, seed: int) -> tuple[int, int]:
    """Damage a file at a time and run a stage that reads it; return how many were noticed."""
    rng = np.random.default_rng(seed)
    noticed = harmless = 0
    with working_in(folder):
        for _ in range(cases):
            output = str(rng.choice(list(READERS)))
            file = Path(str(rng.choice([str(path) for path in files_of(Path(output))])))
            way = str(rng.choice([way for way in WAYS if way != "extra" or Path(output).is_dir()]))
            stage = READERS[output][rng.integers(len(READERS[output]))]
            damage(file, way, rng)
            if is_noticed(folder, output, stage, capsys):
                noticed += 1
            else:
                assert way == "flip", f"{way} of {file} was not noticed by {stage}"
                harmless += 1
            shutil.rmtree("data")
            shutil.copytree(sound / "data", "data")
    return noticed, harmless


@pytest.fixture
def copy(tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    return tmp_path / "run"


def test_the_readers_are_all_that_reads(copy, capsys):
    """Every output in the table, emptied of a file, is missed by every stage that reads it."""
    with working_in(copy):
        for output, stages in READERS.items():
            file = files_of(Path(output))[-1]
            content = file.read_bytes()
            for stage in stages:
                file.unlink()
                assert is_noticed(copy, output, stage, capsys)
                file.write_bytes(content)


def test_some_damage_is_noticed(copy, tiny_run, capsys):
    noticed, harmless = attack(copy, tiny_run, capsys, cases=15, seed=0)
    assert noticed + harmless == 15
    assert noticed > 9


@pytest.mark.slow
def test_three_hundred_damages_are_noticed_or_harmless(copy, tiny_run, capsys):
    noticed, harmless = attack(copy, tiny_run, capsys, cases=300, seed=1)
    print(f"{noticed} noticed, {harmless} harmless")
    assert noticed + harmless == 300
