"""Features of a folder: those of the pipeline, whole or not at all."""

import os
import shutil

import numpy as np
import pytest
import zarr

from pplr.datasets.decoding import decode_images
from pplr.datasets.folder import read_folder
from pplr.errors import DataError, MissingInputError
from pplr.inference import features as features_module
from pplr.inference import images as images_module
from pplr.inference.features import write_features
from pplr.inference.images import FolderFeatures, read_image
from pplr.network.extraction import extract_features
from pplr.storage.arrays import read_arrays, table_digest
from pplr.storage.images import PackedImages, complete_split, create_split
from tests.inference.people import BROKEN, COUNT
from tests.packing import files_below


@pytest.fixture
def copy(people, tmp_path):
    """A copy of the people, to be changed."""
    return shutil.copytree(people, tmp_path / "people")


def pipelines_features(model, folder, place):
    """Return what prepare-data and extract-features make of a folder: paths, global, parts."""
    table = read_folder(folder)["train"]
    width, height = model.size
    create_split(place, (len(table), height, width, 3))
    size = {"height": height, "width": width}
    assert decode_images(table, place, **size, workers=1, what="train") == {}
    complete_split(place, columns={"pids": table.pids, "camids": table.camids}, paths=table.paths)
    return table.paths, *extract_features(
        model.network,
        PackedImages(place),
        device="cpu",
        precision="float32",
        dtype="float16",
        what="train",
    )


def test_features_are_those_of_the_pipeline(model, people, tmp_path):
    paths, expected, expected_parts = pipelines_features(model, people, tmp_path / "train")
    output = tmp_path / "out" / "features.zarr"
    assert write_features(output, FolderFeatures(model, people), parts=True) == (COUNT, 512)
    found, parts, found_paths = read_arrays(output, "global", "parts", "paths")
    assert tuple(found_paths) == paths
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(parts, expected_parts)
    assert np.ptp(found.astype(np.float32), axis=0).max() > 0.01  # images differ


def test_batches_and_shards_change_nothing(model, people, tmp_path, monkeypatch):
    write_features(tmp_path / "whole.zarr", FolderFeatures(model, people), parts=True)
    monkeypatch.setattr(images_module, "BATCH_SIZE", 2)
    monkeypatch.setattr(images_module, "AHEAD", 3)
    monkeypatch.setattr(features_module, "BATCHES_PER_SHARD", 2)
    monkeypatch.setattr(features_module, "ROWS_PER_SHARD", 4)
    monkeypatch.setattr(features_module, "ROWS_PER_CHUNK", 2)
    write_features(tmp_path / "pieces.zarr", FolderFeatures(model, people), parts=True)
    assert len(list((tmp_path / "pieces.zarr" / "global" / "c").iterdir())) == 4
    for name in ("global", "parts"):
        (whole,) = read_arrays(tmp_path / "whole.zarr", name)
        (pieces,) = read_arrays(tmp_path / "pieces.zarr", name)
        np.testing.assert_allclose(pieces, whole, atol=1e-3)  # a batch's size moves last bits


def test_what_features_say_of_themselves(model, people, tmp_path):
    output = tmp_path / "features.zarr"
    write_features(output, FolderFeatures(model, people))
    group = zarr.open_group(output, mode="r")
    paths = group["paths"][:].tolist()
    assert sorted(path.name for path in output.iterdir() if path.is_dir()) == ["global", "paths"]
    assert group.attrs["table"] == table_digest(paths)
    assert group.attrs["folder"] == str(people)
    assert group.attrs["model"] == {
        "name": "01",
        "checksum": model.checksum,
        "settings": model.settings,
        "revision": None,
    }
    assert group["global"].attrs["description"] == "global features, L2-normalised"
    assert group["global"].metadata.dimension_names == ("image", "feature")
    assert "skipped" not in group.attrs


def break_two(folder):
    (folder / "00 new").mkdir()
    (folder / "00 new" / "a.png").write_bytes(BROKEN)
    (folder / "zz.jpg").touch()


def test_broken_images_are_listed_and_nothing_is_written(model, copy, tmp_path):
    break_two(copy)
    with pytest.raises(DataError, match="2 of 16 images cannot be decoded") as caught:
        write_features(tmp_path / "features.zarr", FolderFeatures(model, copy))
    assert f"{copy / '00 new' / 'a.png'}: " in str(caught.value)
    assert f"{copy / 'zz.jpg'}: an empty file\n" in str(caught.value)
    assert "--skip-broken" in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["people"]


def test_broken_images_are_left_out_and_recorded(model, copy, people, tmp_path, capsys):
    break_two(copy)
    found = FolderFeatures(model, copy, skip_broken=True)
    assert write_features(tmp_path / "features.zarr", found) == (COUNT, 512)
    assert "left out: 2 of 16 images" in capsys.readouterr().err
    write_features(tmp_path / "sound.zarr", FolderFeatures(model, people))
    for name in ("global", "paths"):
        (left,) = read_arrays(tmp_path / "features.zarr", name)
        (sound,) = read_arrays(tmp_path / "sound.zarr", name)
        np.testing.assert_array_equal(left, sound)
    skipped = zarr.open_group(tmp_path / "features.zarr", mode="r").attrs["skipped"]
    assert [one["path"] for one in skipped] == ["00 new/a.png", "zz.jpg"]
    assert skipped[1]["reason"] == "an empty file"


def test_broken_images_alone_are_an_error(model, tmp_path):
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "a.png").write_bytes(BROKEN)
    found = FolderFeatures(model, tmp_path / "only", skip_broken=True)
    with pytest.raises(DataError, match="1 of 1 images cannot be decoded") as caught:
        write_features(tmp_path / "features.zarr", found)
    assert "--skip-broken" not in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere", "empty", "file.txt"])
def test_a_folder_without_images(model, tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").touch()
    with pytest.raises(MissingInputError) as caught:
        FolderFeatures(model, tmp_path / name)
    assert f"where:   {tmp_path / name}\n" in str(caught.value)
    assert "--data-dir" not in str(caught.value)


# --- what is there already -----------------------------------------------------------------


def test_features_are_replaced_only_by_force(model, people, copy, tmp_path):
    output = tmp_path / "features.zarr"
    write_features(output, FolderFeatures(model, people))
    before = files_below(output)
    with pytest.raises(DataError, match="something already") as caught:
        write_features(output, FolderFeatures(model, copy))
    assert "or replace it with --force" in str(caught.value)
    assert files_below(output) == before
    (copy / "notes.txt").rename(copy / "other.txt")
    shutil.rmtree(next(path for path in copy.iterdir() if path.is_dir()))
    N, _ = write_features(output, FolderFeatures(model, copy), force=True)
    assert N < COUNT
    assert read_arrays(output, "global")[0].shape == (N, 512)


def users_file(path):
    path.write_text("mine")


def users_folder(path):
    path.mkdir()
    (path / "thesis.txt").write_text("mine")


def users_link(path):
    path.symlink_to("nowhere")


@pytest.mark.parametrize("make", [users_file, users_folder, users_link])
def test_what_is_the_users_is_never_replaced(model, people, tmp_path, make):
    output = tmp_path / "features.zarr"
    make(output)
    before = files_below(tmp_path)
    with pytest.raises(DataError, match="which is yours") as caught:
        write_features(output, FolderFeatures(model, people), force=True)
    assert "--force" not in str(caught.value)
    assert files_below(tmp_path) == before
    assert os.path.lexists(output)


def test_features_with_a_file_of_the_users_in_them_are_not_replaced(model, people, tmp_path):
    output = tmp_path / "features.zarr"
    write_features(output, FolderFeatures(model, people))
    (output / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="which is yours"):
        write_features(output, FolderFeatures(model, people), force=True)
    assert (output / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("path", ["alternations/01/features.zarr", "dataset.zarr/train"])
def test_outputs_of_the_run_are_not_replaced(model, people, tiny_run, path):
    output = tiny_run / "data" / path
    before = files_below(output)
    with pytest.raises(DataError, match="which is yours"):
        write_features(output, FolderFeatures(model, people), force=True)
    assert files_below(output) == before


@pytest.mark.parametrize(
    "path", ["models/01/mine.zarr", "dataset.zarr/mine.zarr", "dataset.zarr/train/a/b.zarr"]
)
def test_nothing_is_written_into_an_output_of_the_run(model, people, tiny_run, path):
    output = tiny_run / "data" / path
    with pytest.raises(DataError, match="inside of another") as caught:
        write_features(output, FolderFeatures(model, people))
    assert "name another one with --output" in str(caught.value)
    assert not output.exists()


# --- a single image ------------------------------------------------------------------------


def test_a_single_image_is_read_as_one_of_a_folder(model, people):
    (batch,) = FolderFeatures(model, people)
    path = sorted(people.rglob("*.jpg"))[2]
    row = read_folder(people)["train"].paths.index(path.relative_to(people).as_posix())
    image = read_image(path, model.size)
    np.testing.assert_allclose(model.features(image[None])[0], batch[row], atol=1e-5)


@pytest.mark.parametrize("name", ["nobody.jpg", "folder.jpg"])
def test_an_image_that_is_not_there(model, tmp_path, name):
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(MissingInputError, match="no such image") as caught:
        read_image(tmp_path / name, model.size)
    assert f"where:   {tmp_path / name}\n" in str(caught.value)


@pytest.mark.parametrize("content", [b"", BROKEN, b"<html>"])
def test_an_image_that_cannot_be_decoded(model, tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match="An image cannot be decoded"):
        read_image(tmp_path / "a.png", model.size)
