"""Drawn people as files, of another size than a model's."""

from pathlib import Path

from pplr.datasets.demo.reader import read_demo
from pplr.settings.groups import DemoSettings
from tests.tiny import tiny_params

COUNT = 14
BROKEN = b"\x89PNG\r\n\x1a\n and no more"


def draw_people(folder: Path) -> Path:
    """Write 14 images of 4 people, PNG and JPEG, and a file that is none; return the folder."""
    table = read_demo(tiny_params().select(DemoSettings), height=80, width=48)["gallery"]
    for row in range(COUNT):
        name = f"{table.pids[row]}/{row:02d}{'.jpg' if row % 3 else '.PNG'}"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        table.open_image(row).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    return folder
