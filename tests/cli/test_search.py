"""`pplr search` at the command line."""

import json
import struct
import zlib

import pytest
from PIL import Image

from tests.inference.people import BROKEN, draw_people
from tests.tiny import working_in

_IHDR = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
HUGE = b"\x89PNG\r\n\x1a\n\0\0\0\r" + _IHDR + struct.pack(">I", zlib.crc32(_IHDR))
HUGE += b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


@pytest.fixture
def search(tiny_run, tmp_path, run):
    def search(*arguments):
        with working_in(tiny_run):
            return run("search", *arguments)

    return search


@pytest.fixture
def people(tmp_path):
    return draw_people(tmp_path / "people")


def test_the_nearest_in_words_as_json_and_as_a_picture(search, people, tmp_path):
    query, other = sorted(people.rglob("*.jpg"))[:2]
    words = ("--query", query, "--query", other, "--gallery", people, "--k", "3")
    code, out, _ = search(*words, "--draw", tmp_path / "sheet.png")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == f"{query}: the nearest among 14 images of {people}"
    assert lines[2] == f"   1     0.000  {query.relative_to(people)}"
    assert out.count("rank  distance  image") == 2
    assert lines[-1].startswith("Euclidean distance")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height > 400
    code, out, _ = search(*words, "--json", "--max-distance", "0.0001")
    assert code == 0
    first, second = json.loads(out)["queries"]
    assert [one["path"] for one in first["nearest"]] == [str(query.relative_to(people))]
    assert second["query"] == str(other)


def test_nothing_near(search, people, tmp_path):
    Image.new("RGB", (9, 9), "purple").save(tmp_path / "q.png")
    words = ("--query", tmp_path / "q.png", "--gallery", people, "--max-distance", "0.001")
    code, out, _ = search(*words, "--draw", tmp_path / "sheet.png")
    assert code == 0
    assert f"q.png: nothing nearer than 0.001 among 14 images of {people}\n" in out
    assert (tmp_path / "sheet.png").is_file()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"--query": "broken.png"}, "An image cannot be decoded.\n"),
        ({"--query": "nobody.png"}, "There is no such image.\n"),
        ({"--gallery": "nowhere"}, "There is no such gallery.\n"),
        ({"--gallery": "empty"}, "There are no images in the folder.\n"),
        ({"--draw": "q.png"}, "The picture cannot be drawn there.\n"),
        ({"--draw": "q.gif"}, "The picture cannot be drawn there.\n"),
        ({"--draw": "huge.png"}, "The picture cannot be drawn there.\n"),
    ],
)
def test_mistakes_end_in_one_message(search, tmp_path, changes, text):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.png").write_bytes(BROKEN)
    Image.new("RGB", (9, 9)).save(tmp_path / "q.png")
    before = (tmp_path / "q.png").read_bytes()
    (tmp_path / "huge.png").write_bytes(HUGE)
    words = {"--query": "q.png", "--gallery": "empty"} | changes
    code, out, err = search(*(x for key, name in words.items() for x in (key, tmp_path / name)))
    assert (code, out) == (1, "")
    assert err.startswith(text)
    assert len(err.splitlines()) == 5
    assert (tmp_path / "q.png").read_bytes() == before


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--gallery", "x"),
        ("--query", "x", "--gallery", "x", "--k", "0"),
        ("--query", "x", "--gallery", "x", "--max-distance", "nan"),
        ("--query", "x", "--gallery", "x", "--max-distance", "2.1"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(search, words):
    code, _, err = search(*words)
    assert code == 2
    assert "Usage: " in err
