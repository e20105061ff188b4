import shutil
import subprocess
import sys

import numpy as np
import pytest
import zarr

from pplr.errors import DataError, MissingInputError
from pplr.runs import open_run
from pplr.storage.arrays import read_arrays, write_arrays
from pplr.storage.json_files import read_json
from pplr.storage.layout import GROUPS
from stages import launch
from tests.tiny import ROOT, digests, tiny_params, tiny_schedule, working_in, write_settings

ARRAYS = {
    "global_features": ("features", "global"),
    "part_features": ("features", "parts"),
    "pseudo_labels": ("clusters", "pseudo_labels"),
    "ranked_list": ("clusters", "ranked_list"),
    "ranked_lists": ("agreement", "ranked_lists"),
    "cross_agreement": ("agreement", "cross_agreement"),
}


def plain(run, path):
    return zarr.open_group(run.paths.data / path, mode="r")


# --- what is there -------------------------------------------------------------------------


def test_settings_and_names(run):
    assert run.settings == tiny_params()
    assert run.schedule == tiny_schedule()
    assert run.alternations == ("00", "01")
    assert run.models == ("init", "00", "01")
    assert str(run.paths.root) in repr(run)


@pytest.mark.parametrize(("attribute", "place"), ARRAYS.items())
def test_arrays_are_those_that_zarr_opens(run, attribute, place):
    for name in run.alternations:
        array = getattr(run.alternation(name), attribute)
        expected = plain(run, f"alternations/{name}/{place[0]}.zarr")[place[1]]
        assert isinstance(array, zarr.Array)
        assert array.attrs.asdict() == expected.attrs.asdict()
        np.testing.assert_array_equal(array[:], expected[:])
        np.testing.assert_array_equal(array[5:9], expected[5:9])


@pytest.mark.parametrize("name", ["train", "query", "gallery"])
def test_a_split_is_what_zarr_opens(run, name):
    split, expected = run.split(name), plain(run, f"dataset.zarr/{name}")
    for column in ("pids", "camids", "paths"):
        np.testing.assert_array_equal(getattr(split, column)[:], expected[column][:])
    assert len(split) == len(split.images) == expected["paths"].shape[0]
    pixels = expected["images"][:]
    last = len(split) - 1
    mask = np.arange(len(split)) % 3 == 0
    for rows in (0, -1, last, slice(1, 4), slice(None), [2, 0], mask, np.array([3])):
        np.testing.assert_array_equal(split.images[rows], pixels[rows])


def test_results_are_those_of_their_files(run):
    results = run.paths.data / "results"
    for name in run.alternations:
        assert run.alternation(name).training == read_json(results / "training" / f"{name}.json")
    evaluation = read_json(results / "evaluation" / "01.json")
    assert run.alternation("01").evaluation == evaluation
    assert run.alternation("00").evaluation is None  # the schedule evaluates init and 01
    assert set(run.timing["evaluate"]) == {"init", "01"}
    assert run.timing["prepare-data"]["all"]["seconds"] > 0


def test_a_model_is_its_folder_and_settings(run):
    model = run.model("init")
    assert model.path == run.paths.data / "models" / "init"
    assert model.files.weights.is_file()
    assert model.settings == {
        "backbone": "demo_resnet",
        "height": 64,
        "width": 32,
        "num_parts": 3,
        "pooling": "mean",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    }


def test_a_row_is_one_image_everywhere(run):
    row = run.row(7)
    train = plain(run, "dataset.zarr/train")
    assert (row.row, row.path, row.camid) == (7, train["paths"][7], train["camids"][7])
    np.testing.assert_array_equal(row.picture, train["images"][7])
    assert row.picture.shape == (64, 32, 3)
    assert list(row.alternations) == ["00", "01"]
    for name, found in row.alternations.items():
        clusters = plain(run, f"alternations/{name}/clusters.zarr")
        agreement = plain(run, f"alternations/{name}/agreement.zarr")
        assert found.pseudo_label == clusters["pseudo_labels"][7]
        np.testing.assert_array_equal(found.ranked_list, clusters["ranked_list"][7])
        np.testing.assert_array_equal(found.ranked_lists, agreement["ranked_lists"][7])
        np.testing.assert_array_equal(found.agreement, agreement["cross_agreement"][7])
    assert run.row(np.int64(0)).row == 0


def test_part_agreement_of_a_run_that_has_it(copy):
    write_settings(copy.paths.root, tiny_params(part_refinement="parts"), tiny_schedule())
    with working_in(copy.paths.root):
        assert launch.main("compute-agreement", "01") == 0
    array = copy.alternation("01").part_agreement
    assert array.shape == (48, 3, 3)
    np.testing.assert_array_equal(array[:, 0, 0], 1)


# --- in progress ---------------------------------------------------------------------------


def test_a_run_in_progress(copy):
    whole = copy.alternation("01")
    pieces = (*GROUPS, "model", "training", "evaluation", "ranking")
    assert whole.there == pieces
    places = (
        copy.paths.evaluation("01"),
        copy.paths.training("01"),
        copy.paths.model("01"),
        copy.paths.arrays("01", "agreement"),
        copy.paths.arrays("01", "clusters"),
    )
    for number, path in enumerate(places, start=1):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        now = copy.alternation("01")  # the same object of the run sees it
        assert set(now.there) - {"ranking"} == set(pieces) - {
            "ranking",
            "evaluation",
            *("training", "model", "agreement", "clusters")[: number - 1],
        }
    assert now.training is None
    assert now.evaluation is None
    assert now.global_features.shape == (48, 512)
    with pytest.raises(MissingInputError, match="A group of arrays is missing"):
        _ = now.pseudo_labels
    row = copy.row(0).alternations["01"]
    assert (row.pseudo_label, row.ranked_list, row.ranked_lists, row.agreement) == (None,) * 4
    assert copy.models == ("init", "00")


def test_a_row_has_what_is_there(copy):
    shutil.rmtree(copy.paths.arrays("01", "agreement"))
    row = copy.row(0).alternations["01"]
    assert row.pseudo_label is not None
    assert row.ranked_list.shape == (5,)
    assert row.agreement is None


def test_what_is_written_meanwhile_is_seen(copy):
    kept = copy.paths.data / "kept"
    copy.paths.arrays("01", "features").parent.rename(kept)
    shutil.rmtree(copy.paths.model("01"))
    copy.paths.training("01").unlink()
    copy.paths.evaluation("01").unlink()
    shutil.rmtree(copy.paths.ranking("01"))
    assert copy.alternations == ("00",)
    with pytest.raises(MissingInputError, match="There is no such alternation") as caught:
        copy.alternation("01")
    assert "allowed: 00\n" in str(caught.value)
    kept.rename(copy.paths.arrays("01", "features").parent)
    assert copy.alternations == ("00", "01")
    assert copy.alternation("01").there == GROUPS


# --- lazy and read-only --------------------------------------------------------------------


def test_opening_a_run_reads_nothing(copy):
    copy.paths.params.write_text("not: yaml: at all")
    shutil.rmtree(copy.paths.data)
    run = open_run(copy.paths.root)
    assert run.alternations == ()


def test_only_what_is_sliced_is_read(copy, monkeypatch):
    monkeypatch.setattr("pplr.storage.arrays.SHARD_CHUNK_BYTES", 2**13)
    path = copy.paths.arrays("01", "features")
    digest = zarr.open_group(path, mode="r").attrs["table"]
    features, parts = read_arrays(path, "global", "parts")
    write_arrays(path, {"global": features, "parts": parts}, digest=digest)  # 8 rows a chunk
    file = path / "global" / "c" / "0" / "0"
    content = bytearray(file.read_bytes())
    content[10] ^= 1  # in the first chunk
    file.write_bytes(content)
    array = copy.alternation("01").global_features
    np.testing.assert_array_equal(array[8:16], features[8:16])
    with pytest.raises(DataError, match="`global` cannot be read"):
        array[0:8]


def test_damage_in_a_row_is_told_as_damage(copy):
    folder = copy.paths.arrays("01", "clusters") / "ranked_list"
    file = next(path for path in (folder / "c").rglob("*") if path.is_file())
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match="`ranked_list/c/0/0` cannot be read"):
        copy.row(0)
    file.unlink()
    with pytest.raises(DataError, match="the file is missing"):
        _ = copy.alternation("01").ranked_list


def test_nothing_can_be_written(tiny_run):
    before = digests(tiny_run)
    run = open_run(tiny_run)
    for array in (run.alternation("00").pseudo_labels, run.split("train").pids):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5
        with pytest.raises(ValueError, match="read-only"):
            array.attrs["x"] = 1
    split = run.split("train")
    assert split.images is split.images  # a chunk is read whole, once
    split.images[0][:] = 0  # a copy
    run.row(0)
    run.history()
    run.how_far()
    assert digests(tiny_run) == before


def test_opening_a_run_imports_no_large_library():
    code = (
        "import sys; from pplr.runs import open_run;"
        "print(*sorted({'torch', 'torchvision', 'faiss', 'sklearn', 'numba'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
