"""What a gallery has for an image: by hand, against a slow twin, and damaged."""

import shutil

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from pplr.errors import DataError, MissingInputError
from pplr.inference.features import write_features
from pplr.inference.images import FolderFeatures
from pplr.inference.models import open_model
from pplr.inference.search import Answer, Gallery, Match, open_gallery, read_queries, search
from pplr.inference.search_words import DISTANCE, answer_words, answers_as_json
from tests.inference.people import COUNT


@pytest.fixture(scope="module")
def stored(model, people, tmp_path_factory):
    path = tmp_path_factory.mktemp("gallery") / "features.zarr"
    write_features(path, FolderFeatures(model, people))
    return path


@pytest.fixture(scope="module")
def gallery(model, people):
    return open_gallery(model, people)


# --- distances -----------------------------------------------------------------------------


def units(rows):
    rows = np.array(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_by_hand(tmp_path):
    features = units([[0, 1], [1, 0], [-1, 0], [3, 4]])
    found = Gallery(features, ["up", "same", "opposite", "near"], tmp_path)
    matches = found.nearest(np.array([1, 0], np.float32), 10)
    assert [match.path for match in matches] == ["same", "near", "up", "opposite"]
    # |a - b| of unit vectors is the root of 2 - 2 a·b
    expected = [0, 0.8**0.5, 2**0.5, 2]
    np.testing.assert_allclose([match.distance for match in matches], expected, atol=1e-6)
    assert matches[0].distance == 0


def test_equal_images_go_by_path_whatever_faiss_says(tmp_path):
    features = np.repeat(units([[1, 2, 2], [2, -1, 5]]), 3, axis=0)
    found = Gallery(features, list("abcdef"), tmp_path)
    matches = found.nearest(units([[1, 2, 2.5]])[0], 4)
    assert [match.path for match in matches] == list("abcd")


@given(seed=st.integers(0, 2**16), N=st.integers(1, 40), k=st.integers(1, 50))
@settings(max_examples=40, deadline=None)
def test_against_a_slow_twin(seed, N, k):
    rng = np.random.default_rng(seed)
    # few different values: many are equally near
    features = units(rng.integers(0, 3, (N, 4)) + 1)
    query = units(rng.integers(0, 3, (1, 4)) + 1)[0]
    names = [f"{i:03d}" for i in range(N)]
    before = features.copy()
    matches = Gallery(features, names, None).nearest(query, k)
    assert len(matches) == min(k, N)
    distances = {
        name: sum((float(a) - float(b)) ** 2 for a, b in zip(row, query, strict=True)) ** 0.5
        for name, row in zip(names, features, strict=True)
    }
    assert [match.distance for match in matches] == pytest.approx(
        sorted(distances.values())[:k], abs=1e-7
    )
    assert all(match.distance == pytest.approx(distances[match.path]) for match in matches)
    assert all(0 <= match.distance <= 2 for match in matches)
    np.testing.assert_array_equal(features, before)


# --- a gallery -----------------------------------------------------------------------------


def test_an_image_of_the_gallery_is_its_own_nearest(model, people, gallery, stored):
    query = sorted(people.rglob("*.jpg"))[0]
    name = query.relative_to(people).as_posix()
    images = read_queries(model, [query])
    for found in (gallery, open_gallery(model, stored)):
        (answer,) = search(model, images, found, k=5)
        assert answer.query == query
        assert answer.matches[0].path == name
        assert answer.matches[0].distance < 2e-3  # float16 on disk
        assert answer.matches[1].distance > 1e-2
        assert len(answer.matches) == 5


def test_a_folder_and_its_features_are_the_same_gallery(model, people, gallery, stored):
    found = open_gallery(model, stored)
    assert (found.paths, found.folder, len(found)) == (gallery.paths, people, COUNT)
    np.testing.assert_array_equal(found.features, gallery.features.astype(np.float16))


def test_features_of_another_model_are_refused(tiny_run, stored, model):
    with pytest.raises(DataError, match="of another model") as caught:
        open_gallery(open_model("00", root=tiny_run), stored)
    assert f"found:   model 01, checksum {model.checksum[:12]}\n" in str(caught.value)
    assert f"where:   {stored}\n" in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere", "file.jpg"])
def test_a_gallery_that_is_not_there(model, tmp_path, name):
    (tmp_path / "file.jpg").touch()
    with pytest.raises(MissingInputError, match="gallery") as caught:
        open_gallery(model, tmp_path / name)
    assert "pplr extract" in str(caught.value)


@pytest.mark.parametrize("path", ["dataset.zarr/train", "alternations/01/features.zarr"])
def test_arrays_of_another_kind_are_no_gallery(model, tiny_run, path):
    with pytest.raises(DataError, match="This is no gallery") as caught:
        open_gallery(model, tiny_run / "data" / path)
    assert "arrays of another kind" in str(caught.value)


def cut(path):
    file = path / "global" / "c" / "0" / "0"
    file.write_bytes(file.read_bytes()[:-9])


def rot(path):
    file = path / "global" / "c" / "0" / "0"
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 8
    file.write_bytes(content)


def lose(path):
    shutil.rmtree(path / "paths")


def edit(path):
    zarr.open_group(path).attrs["folder"] = "elsewhere"


@pytest.mark.parametrize("damage", [cut, rot, lose, edit])
def test_damaged_features_are_one_error_with_advice_that_helps(model, stored, tmp_path, damage):
    path = shutil.copytree(stored, tmp_path / "features.zarr")
    damage(path)
    with pytest.raises(DataError, match="The gallery's features cannot be read") as caught:
        open_gallery(model, path)
    assert "next:    extract them anew" in str(caught.value)


# --- words ---------------------------------------------------------------------------------


def answer(max_distance):
    matches = [Match("a/b.jpg", 0.25), Match("c.png", 0.5), Match("d.png", 1.25)]
    return Answer("query.jpg", matches, max_distance)


@pytest.mark.parametrize(("limit", "count"), [(None, 3), (2, 3), (0.5, 2), (0.49, 1), (0, 0)])
def test_what_is_farther_does_not_count(limit, count):
    assert len(answer(limit).matches) == count


def test_words(tmp_path):
    gallery = Gallery(np.zeros((3, 2), np.float32), ["a/b.jpg", "c.png", "d.png"], tmp_path)
    assert answer_words(answer(0.5), gallery).splitlines() == [
        f"query.jpg: the nearest among 3 images of {tmp_path}",
        "rank  distance  image",
        "   1     0.250  a/b.jpg",
        "   2     0.500  c.png",
    ]
    assert answer_words(answer(0.1), gallery).splitlines() == [
        f"query.jpg: nothing nearer than 0.1 among 3 images of {tmp_path}",
        "  the nearest is a/b.jpg, at 0.250",
    ]


def test_a_path_cannot_move_the_cursor(tmp_path):
    gallery = Gallery(np.zeros((1, 2), np.float32), ["\x1b.jpg"], tmp_path / "\r")
    for limit in (0.5, 0.1):
        text = answer_words(Answer("\x1b.jpg", [Match("\x1b.jpg", 0.25)], limit), gallery)
        assert "\x1b" not in text
        assert "\r" not in text
        assert text.count("\\x1b.jpg") == 2


def test_json(model, gallery, people):
    found = answers_as_json(model, [answer(0.3), answer(0)], gallery, where=people)
    assert (found["images"], found["distance"]) == (COUNT, DISTANCE)
    assert found["model"]["checksum"] == model.checksum
    first, second = found["queries"]
    assert first["nearest"] == [{"rank": 1, "path": "a/b.jpg", "distance": 0.25}]
    assert (second["nearest"], second["max_distance"]) == ([], 0)
