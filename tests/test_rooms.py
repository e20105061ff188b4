"""The rooms of pplr/ and the arrows between them are those of docs/architecture.md."""

import ast
from graphlib import TopologicalSorter

import pytest

from tests.fresh_imports import brought
from tests.tiny import ROOT

OPEN_TO_ALL = {"errors", "checks", "progress", "printing"}
LARGE = ("faiss", "timm", "torch", "torchvision")


def table():
    """Return the rows of the map's table: room → (rooms it may import, whether it has torch)."""
    rooms = {}
    for line in (ROOT / "docs" / "architecture.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 4 and cells[0].startswith("`"):
            allowed = {name.strip("`") for name in cells[2].split() if name != "–"}
            rooms[cells[0].strip("`")] = (allowed, cells[3] == "yes")
    return rooms


ROOMS = table()


def files(room):
    place = ROOT / "pplr" / room
    return sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]


def arrows(room):
    """Return the other rooms that a room imports, at the top of its files or in functions."""
    found = set()
    for file in files(room):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file}: a relative import"
                names = [node.module]
                if node.module == "pplr":
                    names = [f"pplr.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            found |= {name.split(".")[1] for name in names if name.startswith("pplr.")}
    return found - {room}


def test_the_map_has_every_room():
    there = {path.stem for path in (ROOT / "pplr").iterdir() if path.stem[0] not in "_."}
    assert set(ROOMS) == there


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_what_the_map_allows(room):
    allowed, _ = ROOMS[room]
    ground = set() if room in ("errors", "progress") else OPEN_TO_ALL
    assert arrows(room) - ground <= allowed


@pytest.mark.parametrize("room", ROOMS)
def test_the_map_allows_no_arrow_that_is_not_there(room):
    allowed, _ = ROOMS[room]
    assert allowed <= arrows(room)


def test_arrows_lead_down_and_in_no_circle():
    floors = list(ROOMS)
    for room, (allowed, _) in ROOMS.items():
        assert all(floors.index(other) > floors.index(room) for other in allowed), room
    TopologicalSorter({room: arrows(room) for room in ROOMS}).prepare()  # raises on a circle


def test_no_room_imports_stages_tests_or_benchmarks():
    for room in ROOMS:
        for file in files(room):
            for node in ast.walk(ast.parse(file.read_text())):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                names += (
                    [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                )
                tops = {name.split(".")[0] for name in names}
                assert not tops & {"stages", "tests", "benchmarks", "demo"}, file


WITHOUT_TORCH = [room for room, (_, torch) in ROOMS.items() if not torch]


@pytest.fixture(scope="module")
def large_libraries():
    """Return what each room without torch imports of the large libraries."""
    found = brought([f"import pplr.{room}" for room in WITHOUT_TORCH], LARGE)
    return dict(zip(WITHOUT_TORCH, found, strict=True))


@pytest.mark.parametrize("room", WITHOUT_TORCH)
def test_a_room_without_torch_imports_no_large_library(large_libraries, room):
    assert large_libraries[room] == []


def test_an_import_of_a_large_library_is_seen():
    assert brought(["import pplr.losses", "import pplr.errors"], LARGE) == [["torch"], []]


def test_the_lists_of_the_map_name_what_is_there():
    text = (ROOT / "docs" / "architecture.md").read_text()
    for word in ("losses.py", "settings/groups.py", "settings/presets.py", "network/backbones.py"):
        assert word in text
        assert (ROOT / "pplr" / word).is_file()
