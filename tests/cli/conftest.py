import sys

import pytest
from PIL import Image

from pplr.cli import main as cli
from pplr.settings.configure import DEMO_IMAGES, NAMED_WEIGHTS
from pplr.settings.presets import PRESETS

IMAGES = (
    "bounding_box_train/0002_c1s1_000001_00.jpg",
    "bounding_box_train/0002_c2s1_000001_00.jpg",
    "bounding_box_train/0007_c2s1_000001_00.jpg",
    "query/0001_c1s1_000001_00.jpg",
    "bounding_box_test/0000_c3s1_000001_00.jpg",
    "bounding_box_test/0001_c2s1_000001_00.jpg",
)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    for name in IMAGES:
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 8)).save(path)
    for name in (DEMO_IMAGES, NAMED_WEIGHTS["imagenet"], PRESETS["demo"]["weights"]):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command in this process; return exit code, standard output and standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["pplr", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        output = capsys.readouterr()
        return caught.value.code, output.out, output.err

    return run
