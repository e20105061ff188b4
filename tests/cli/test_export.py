"""`pplr export` at the command line."""

import sys

import pytest

from tests.tiny import working_in


@pytest.fixture
def export(tiny_run, tmp_path, run):
    def export(*arguments):
        with working_in(tiny_run):
            return run("export", *arguments, "--output", tmp_path / "x")

    return export


@pytest.mark.slow
@pytest.mark.parametrize(("form", "file"), [("onnx", "model.onnx"), ("torch", "model.pt2")])
def test_a_model_is_exported_and_checked(export, tmp_path, form, file):
    code, out, err = export("--format", form, "--model", "00")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"{tmp_path}/x/{file}: model 00, with its preprocessing"
    assert lines[1].endswith("at most, on 5 training images")
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == sorted(
        ["MODEL_CARD.md", "checksums.json", file]
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--format", "keras"), "There is no such format.\n"),
        (("--model", "07"), "There is no such model.\n"),
        ((), "The format needs a library that is not installed.\n"),
    ],
)
def test_mistakes_end_in_one_message(export, tmp_path, monkeypatch, arguments, text):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    code, out, err = export(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith(text)
    assert len(err.splitlines()) == 5
    assert not (tmp_path / "x").exists()
