"""`pplr extract` at the command line."""

import pytest
import zarr

from tests.inference.people import BROKEN, draw_people
from tests.tiny import working_in


@pytest.fixture
def extract(tiny_run, tmp_path, run):
    def extract(*arguments):
        with working_in(tiny_run):
            return run("extract", *arguments, "--output", tmp_path / "features.zarr")

    return extract


def test_features_are_written_and_said(extract, tmp_path):
    folder = draw_people(tmp_path / "people")
    code, out, _ = extract(folder, "--model", "00", "--parts")
    assert code == 0
    assert out.splitlines() == [
        f"{tmp_path}/features.zarr: features of 14 images, 512 each, by model 00",
        f"next: pplr search --model 00 --gallery {tmp_path}/features.zarr --query IMAGE",
    ]
    group = zarr.open_group(tmp_path / "features.zarr", mode="r")
    assert (group["global"].shape, group["parts"].shape) == ((14, 512), (14, 3, 512))
    assert group.attrs["model"]["name"] == "00"
    code, out, err = extract(folder)
    assert (code, out) == (1, "")
    assert err.startswith("There is something already where the output is to be written.\n")
    assert extract(folder, "--force")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("people", "--model", "07"), "There is no such model.\n"),
        (("people", "--device", "cuda:7"), "torch cannot use this device.\n"),
        (("nowhere",), "There is no such folder.\n"),
        (("broken",), "1 of 1 images cannot be decoded.\n"),
    ],
)
def test_mistakes_end_in_one_message(extract, tmp_path, arguments, text):
    (tmp_path / "people").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(BROKEN)
    folder, *options = arguments
    code, out, err = extract(tmp_path / folder, *options)
    assert (code, out) == (1, "")
    message = err[err.index(text) :]
    assert len(message.splitlines()) == 5
    assert not (tmp_path / "features.zarr").exists()


def test_what_the_system_refuses_is_one_message(tiny_run, tmp_path, run):
    folder = draw_people(tmp_path / "people")
    (tmp_path / "file").touch()
    with working_in(tiny_run):
        code, _, err = run("extract", folder, "--output", tmp_path / "file" / "features.zarr")
    assert code == 1
    assert err.startswith("The system refuses a file or folder.\n")
    assert len(err.splitlines()) == 5
