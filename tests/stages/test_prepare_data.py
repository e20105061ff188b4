"""Data sets of one's own through prepare-data, and through the whole pipeline without labels."""

import csv
import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from pplr.cli import main as cli
from pplr.datasets import read_dataset
from pplr.errors import PplrError
from pplr.runs import open_run
from pplr.runs.progress import format_history
from pplr.settings.configure import NAMED_WEIGHTS
from pplr.settings.groups import DemoSettings, ImageSettings
from pplr.storage.arrays import read_arrays
from pplr.storage.images import PackedImages
from stages import launch
from tests.datasets.trees import write_images
from tests.stages.test_pipeline import run_all, working_in
from tests.tiny import digests, make_workspace, tiny_params, tiny_schedule, write_settings

PKU_REID = Path(__file__).parents[3] / "shared" / "data" / "pku-reid"


def use(folder: Path, dataset: str, images: Path, **changes: object) -> None:
    """Write the settings of a data set into a folder."""
    schedule = tiny_schedule()
    schedule = dataclasses.replace(schedule, inputs={**schedule.inputs, "images": str(images)})
    write_settings(folder, tiny_params(dataset=dataset, **changes), schedule)


def prepare(folder: Path, dataset: str, images: Path, **changes: object) -> int:
    """Return the exit code of prepare-data."""
    folder.mkdir(exist_ok=True)
    use(folder, dataset, images, **changes)
    with working_in(folder):
        return launch.main("prepare-data")


def pack(folder: Path, split: str) -> np.ndarray:
    images = PackedImages(folder / "data/dataset.zarr" / split)
    return images[np.arange(len(images))]


def save_demo(folder: Path) -> Path:
    """Save the training images of the tiny data set as files; return the folder."""
    params = tiny_params()
    images, demo = params.select(ImageSettings), params.select(DemoSettings)
    train = read_dataset(images, demo, Path())["train"]
    folder.mkdir()
    for row in range(len(train)):
        train.open_image(row).save(folder / Path(train.paths[row]).with_suffix(".png").name)
    return folder


def test_a_folder_without_labels_is_trained_on_and_not_evaluated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = save_demo(tmp_path / "images")
    folder = make_workspace(tmp_path / "work")
    use(folder, "folder", images)
    run_all(folder)
    output = capsys.readouterr()
    assert "warning: no query has a known identity" in output.err
    assert "model 01: nothing to evaluate" in output.out
    assert len(pack(folder, "train")) == 48
    assert len(pack(folder, "query")) == len(pack(folder, "gallery")) == 0
    assert (folder / "data/models/01/weights.safetensors").exists()
    assert set(json.loads((folder / "metrics.json").read_text()).values()) == {None}
    rows = list(csv.DictReader((folder / "data/history.csv").read_text().splitlines()))
    assert [(row["mAP"], row["adjusted_rand_index"]) for row in rows] == [("", "")] * 3
    assert int(rows[-1]["clusters"]) > 1
    assert "agreement 1" in format_history(open_run(folder).history())


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "cut.jpg": lambda whole: whole[: len(whole) // 2],
    "empty.jpg": lambda _: b"",
    "text.png": lambda _: b"no image at all",
}


@pytest.fixture
def partly_broken(tmp_path: Path) -> Path:
    images = write_images(tmp_path / "images", [f"{i}.jpg" for i in range(5)])
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.jpg")
    for name, damage in BROKEN.items():
        (images / name).write_bytes(damage((tmp_path / "whole.jpg").read_bytes()))
    return images


def test_all_broken_images_are_named_and_nothing_is_lost(
    partly_broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    good = write_images(tmp_path / "good", ["1.jpg", "2.jpg"])
    assert prepare(work, "folder", good) == 0
    before = digests(work / "data")
    assert prepare(work, "folder", partly_broken) == 1
    error = capsys.readouterr().err
    assert "3 images cannot be decoded." in error
    assert all(f"{partly_broken / name}: " in error for name in BROKEN)
    assert "skip_broken: true" in error
    assert digests(work / "data") == before


def test_broken_images_are_skipped_and_recorded(
    partly_broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    assert prepare(work, "folder", partly_broken, skip_broken=True) == 0
    assert "left out: 3 images that cannot be decoded" in capsys.readouterr().out
    train = work / "data/dataset.zarr/train"
    paths, pids, camids = read_arrays(train, "paths", "pids", "camids")
    assert paths.tolist() == [f"{i}.jpg" for i in range(5)]
    assert len(pids) == len(camids) == len(pack(work, "train")) == 5
    skipped = zarr.open_group(train, mode="r").attrs["skipped"]
    assert {entry["path"] for entry in skipped} == set(BROKEN)
    assert all(entry["reason"] for entry in skipped)
    for name in BROKEN:
        (partly_broken / name).unlink()
    clean = tmp_path / "clean"
    assert prepare(clean, "folder", partly_broken) == 0
    np.testing.assert_array_equal(pack(clean, "train"), pack(work, "train"))
    digest = zarr.open_group(train, mode="r").attrs["table"]
    assert zarr.open_group(clean / "data/dataset.zarr/train", mode="r").attrs["table"] == digest


def test_a_split_of_broken_images_alone_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "one.jpg").write_bytes(b"")
    assert prepare(tmp_path / "work", "folder", images, skip_broken=True) == 1
    error = capsys.readouterr().err
    assert "No image of train can be decoded." in error
    assert "`skip_broken` does not leave out a whole split" in error
    assert not (tmp_path / "work/data/dataset.zarr").exists()


def test_what_the_system_refuses_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = write_images(tmp_path / "images", ["1.jpg"])
    (tmp_path / "work").mkdir()
    (tmp_path / "work/data").touch()
    assert prepare(tmp_path / "work", "folder", images) == 1
    error = capsys.readouterr().err
    assert "prepare-data: The system refuses a file or folder.\n  where:   data\n" in error
    assert "found:   File exists" in error


def test_an_interrupted_stage_says_so_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    images = write_images(tmp_path / "images", ["1.jpg"])
    monkeypatch.setattr("stages.prepare_data.complete_split", interrupt)
    assert prepare(tmp_path / "work", "folder", images) == 130
    assert capsys.readouterr().err.endswith("prepare-data: stopped; `dvc repro` goes on\n")
    assert [*(tmp_path / "work/data").iterdir()] == []


def test_no_valid_query_may_be_left_when_broken_images_are_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"bounding_box_train/{p:04d}_c1s1_000001_00.jpg" for p in (2, 5)]
    tests = [f"query/{p:04d}_c1s1_000001_00.jpg" for p in (1, 3)]
    gallery = [f"bounding_box_test/{p:04d}_c2s1_000001_00.jpg" for p in (1, 4)]
    images = write_images(tmp_path / "images", [*names, *tests, *gallery])
    (images / tests[0]).write_bytes(b"")
    assert prepare(tmp_path / "work", "market1501", images, skip_broken=True) == 1
    error = capsys.readouterr().err
    assert "No query has a correct image in the gallery." in error
    assert "replace some of the 1 broken images that were left out" in error
    assert not (tmp_path / "work/data/dataset.zarr").exists()


def test_the_three_layouts_give_the_same_training_arrays(tmp_path: Path) -> None:
    names = [f"bounding_box_train/{p:04d}_c{c}s1_000001_00.jpg" for p in (2, 5) for c in (1, 2)]
    tests = ["query/0001_c1s1_000001_00.jpg", "bounding_box_test/0001_c2s1_000001_00.jpg"]
    compare_layouts(write_images(tmp_path / "images", [*names, *tests]), tmp_path)


@pytest.mark.skipif(not PKU_REID.is_dir(), reason="the real images are not on this machine")
def test_the_three_layouts_give_the_same_training_arrays_of_real_images(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for folder in PKU_REID.iterdir():
        shutil.copytree(folder, images / folder.name, copy_function=os.symlink)
    compare_layouts(images, tmp_path)


def compare_layouts(images: Path, tmp_path: Path) -> None:
    assert prepare(tmp_path / "market", "market1501", images) == 0
    market = tmp_path / "market/data/dataset.zarr"
    lines = ["path,split,pid,camid"]
    for split in ("train", "query", "gallery"):
        columns = read_arrays(market / split, "paths", "pids", "camids")
        lines += [
            f"{path},{split},{pid},{camid}" for path, pid, camid in zip(*columns, strict=True)
        ]
    (images / "images.csv").write_text("\n".join(lines))
    assert prepare(tmp_path / "table", "table", images) == 0
    assert digests(tmp_path / "table/data/dataset.zarr") == digests(market)
    assert prepare(tmp_path / "folder", "folder", images / "bounding_box_train") == 0
    np.testing.assert_array_equal(
        pack(tmp_path / "folder", "train"), pack(tmp_path / "market", "train")
    )


# --- whatever lies in a folder -------------------------------------------------------------

SOME_NAMES = st.sampled_from(
    [
        "bounding_box_train/0002_c1s1_000451_03.jpg",
        "bounding_box_train/0002_c2s1_000451_03.jpg",
        "query/0001_c1s1_000451_03.jpg",
        "bounding_box_test/0001_c2s1_000451_03.jpg",
        "image_train/0001_c001_00016450_0.jpg",
        "image_query/0002_c001_00016450_0.jpg",
        "image_test/0002_c002_00016450_0.jpg",
        "train/0000/0000_000_01_0303m_0015_0.jpg",
        "test/0000/0000_000_02_0303m_0015_0.jpg",
        "list_train.txt",
        "list_val.txt",
        "list_query.txt",
        "list_gallery.txt",
        "images.csv",
        "images.parquet",
    ]
)
ANY_NAME = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20
).map(lambda name: f"{name}.jpg" if name not in (".", "..") else "dots.jpg")


def small_image() -> bytes:
    with tempfile.TemporaryFile() as file:
        Image.new("RGB", (8, 16), (9, 99, 200)).save(file, "JPEG")
        file.seek(0)
        return file.read()


IMAGE = small_image()
CONTENT = st.one_of(
    st.just(IMAGE),
    st.integers(0, len(IMAGE)).map(lambda n: IMAGE[:n]),
    st.tuples(st.integers(0, len(IMAGE) - 1), st.integers(0, 255)).map(
        lambda change: IMAGE[: change[0]] + bytes([change[1]]) + IMAGE[change[0] + 1 :]
    ),
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"path,split\nquery/0001_c1s1_000451_03.jpg,train\n",
            b"path,split,pid,camid\nquery/0001_c1s1_000451_03.jpg,train,1,x\n",
            b"0000/0000_000_01_0303m_0015_0.jpg 0\n",
            b"0000/0000_000_02_0303m_0015_0.jpg 0\n",
        ]
    ),
    st.text(st.sampled_from('path,split\n train"01/_.jpg-'), max_size=60).map(str.encode),
)
DATASETS = ("market1501", "msmt17", "veri776", "table", "folder")


def configure(folder: Path, dataset: str, images: Path) -> bool:
    """Return whether `pplr configure` wrote settings; otherwise it wrote nothing."""
    for name in ("dvc.yaml", *NAMED_WEIGHTS.values()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    before = digests(folder)
    with working_in(folder):
        try:
            cli.configure(dataset, images, overrides=["backbone=demo_resnet", "weights=random"])
        except PplrError:
            assert digests(folder) == before
            return False
    return {*digests(folder)} - {*before} == {"params.yaml", "schedule.yaml"}


def check_any_folder(files: dict[str, bytes], dataset: str, *, skip: bool) -> None:
    with tempfile.TemporaryDirectory() as place:
        images, work = Path(place) / "images", Path(place) / "work"
        for name, content in files.items():
            path = images / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_dir():
                path.write_bytes(content)
        configured = configure(work, dataset, images)
        code = prepare(work, dataset, images, skip_broken=skip)  # any other error comes through
        assert configured or code
        written = {path.name for path in (work / "data").glob("*")}
        assert written == ({"dataset.zarr", "timing"} if code == 0 else set())
        if code == 0:
            for split in ("train", "query", "gallery"):
                (paths,) = read_arrays(work / "data/dataset.zarr" / split, "paths")
                assert len(pack(work, split)) == len(paths)


ANY_FOLDER = given(
    files=st.dictionaries(st.one_of(SOME_NAMES, ANY_NAME), CONTENT, max_size=12),
    dataset=st.sampled_from(DATASETS),
    skip=st.booleans(),
)


@ANY_FOLDER
@hypothesis_settings(max_examples=50)
def test_any_folder_gives_a_whole_data_set_or_one_clear_error(
    files: dict[str, bytes], dataset: str, *, skip: bool
) -> None:
    check_any_folder(files, dataset, skip=skip)


@pytest.mark.slow
@ANY_FOLDER
@hypothesis_settings(max_examples=300)
def test_three_hundred_folders_give_a_whole_data_set_or_one_clear_error(
    files: dict[str, bytes], dataset: str, *, skip: bool
) -> None:
    check_any_folder(files, dataset, skip=skip)
