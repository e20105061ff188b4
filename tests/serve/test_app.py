"""Addresses, headers, hosts and errors of the page."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser

import numpy as np
import pytest
import zarr

from pplr.printing import drawable, printable
from pplr.runs import open_run
from pplr.storage.checksums import write_checksums
from tests.fresh_imports import brought
from tests.serve.conftest import served
from tests.tiny import digests

PAGES = (
    "/",
    "/alternation/00",
    "/alternation/01?order=mixed&page=1",
    "/alternation/01/outliers",
    "/alternation/01/cluster/0",
    "/alternation/01/image/7",
    "/queries/01?order=row",
    "/query/init/3",
    "/compare?a=00&b=01",
)


class Addresses(HTMLParser):
    """The addresses that a page leads to, and those of what it shows."""

    def __init__(self, text):
        super().__init__()
        self.found = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found |= {value for name, value in attrs if name in ("href", "src", "action")}
        assert not any(name == "style" or name.startswith("on") for name, _ in attrs)
        assert tag != "img" or dict(attrs).get("alt")


def addresses(answer):
    return {one for one in Addresses(answer.text).found if not one.startswith("#")}


def test_every_link_of_every_page_leads_somewhere(ask, run):
    before = digests(run.paths.root)
    waiting, seen = ["/"], set()
    while waiting:
        address = waiting.pop()
        seen.add(address)
        answer = ask(address)
        assert answer.status == 200, address
        if answer.headers["content-type"].startswith("text/html"):
            found = addresses(answer)
            assert all(one.startswith("/") for one in found)
            waiting += sorted(found - seen - {*waiting})
    kinds = ("/alternation/", "/query/", "/picture/gallery/", "/masked/", "/static/")
    assert all(any(one.startswith(kind) for one in seen) for kind in kinds)
    assert digests(run.paths.root) == before  # nothing is written


@pytest.mark.parametrize(
    "address",
    [
        "/nothing",
        "/alternation/07",
        "/alternation/01?page=0",
        "/alternation/01?page=99",
        "/alternation/01?page=x",
        "/alternation/01?order=other",
        "/alternation/01/cluster/999",
        "/alternation/01/cluster/-1",
        "/alternation/01/image/48",
        "/alternation/01/image/" + "9" * 5000,
        "/alternation/01/image/1e3",
        "/queries/00",
        "/query/01/99999",
        "/picture/train/48.png",
        "/picture/nothing/0.png",
        "/masked/07/0.png",
        "/static/..%2fapp.py",
        "/static/nothing.css",
        "/../../etc/passwd",
        "/picture/..%2f..%2f/0.png",
        "/compare?a=00&b=other:01",
        "/alternation/<script>",
    ],
)
def test_what_is_not_there_is_a_page_that_says_so(ask, address):
    answer = ask(address)
    assert answer.status == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "There is" in answer.text or "names nothing" in answer.text
    assert "<script>" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("address", [*PAGES, "/nothing", "/static/style.css", "/progress"])
def test_every_answer_has_the_policy(ask, address):
    headers = ask(address).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_no_method_but_get_and_head_is_answered(ask, method):
    for address in ("/", "/alternation/01", "/picture/train/0.png", "/static/style.css"):
        assert ask(address, method=method).status == 405
    assert ask("/", method="HEAD").status == 200
    assert ask("/", method="HEAD").body == b""


def test_another_host_is_refused(ask):
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.1"):
        answer = ask("/", Host=host)
        assert answer.status == 421
        assert b"<html" not in answer.body
    for host in ("localhost", "127.0.0.1:1234", "LOCALHOST:80", "[::1]:8060"):
        assert ask("/progress", Host=host).status == 200


def test_many_at_once_lose_nothing(ask):
    wanted = [PAGES[i % len(PAGES)] for i in range(100)]
    wanted += [f"/picture/train/{i % 48}.png" for i in range(100)]
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(ask, wanted))
    assert [answer.status for answer in answers] == [200] * 200
    alone = {address: ask(address).body for address in set(wanted)}
    assert all(
        answer.body == alone[address] for address, answer in zip(wanted, answers, strict=True)
    )


def test_names_of_files_are_text(copy):
    names = [
        "<script>alert(1)</script>.jpg",
        "\"onerror='x'.jpg",
        "a\nb\x1b[31m.jpg",
        "../../x.jpg",
    ]
    for split in ("train", "query"):
        paths = zarr.open_group(copy.paths.split(split), mode="r+")["paths"]
        paths[: len(names)] = np.array(names, dtype=object)
        write_checksums(copy.paths.split(split))
    with served(copy) as ask:
        for row in range(len(names)):
            for address in (f"/alternation/01/image/{row}", f"/query/01/{row}"):
                answer = ask(address)
                assert answer.status == 200, answer.text
                assert "<script>alert" not in answer.text
                assert '"onerror' not in answer.text
                assert "\x1b" not in answer.text
                assert all(one.startswith("/") for one in addresses(answer))
        assert "&lt;script&gt;alert(1)&lt;/script&gt;.jpg" in ask("/alternation/01/image/0").text
        assert "a\\nb\\x1b[31m.jpg" in ask("/query/01/2").text


def test_what_is_damaged_is_said_on_its_page_alone(copy):
    array = copy.paths.arrays("01", "clusters") / "pseudo_labels" / "c" / "0"
    content = bytearray(array.read_bytes())
    content[len(content) // 2] ^= 1
    array.write_bytes(content)
    with served(copy) as ask:
        answer = ask("/alternation/01")
        assert answer.status == 500
        assert "damaged" in answer.text
        assert "clusters.zarr" in answer.text
        assert ask("/alternation/00").status == 200
        shutil.rmtree(copy.paths.arrays("00", "agreement"))
        assert ask("/alternation/00").status == 200
        assert ask("/alternation/00/outliers").status == 200
        assert ask("/masked/00/0.png").status == 404


def test_a_run_in_progress_is_shown_as_far_as_it_is(copy, tiny_run, tmp_path):
    kept = tmp_path / "kept"
    copy.paths.arrays("01", "clusters").rename(kept)
    with served(copy) as ask:
        assert "Not finished" in ask("/").text
        assert "The result is" not in ask("/").text
        assert "data-progress" in ask("/").text
        before = ask("/progress").text
        assert "not clustered" in before
        assert "not clustered yet" in ask("/alternation/01").text
        assert ask("/alternation/01/image/0").status == 404
        kept.rename(copy.paths.arrays("01", "clusters"))
        assert ask("/progress").text == "finished"
        assert "clusters;" in ask("/alternation/01").text
    empty = tmp_path / "empty"
    empty.mkdir()
    for name in ("params.yaml", "schedule.yaml"):
        shutil.copy(tiny_run / name, empty)
    with served(open_run(empty)) as ask:
        assert "images are not prepared" in ask("/").text
        assert ask("/alternation/00").status == 404
        assert ask("/compare").status == 404


def test_what_is_written_anew_is_shown(copy):
    with served(copy) as ask:
        before = ask("/alternation/01").text
        shutil.rmtree(copy.paths.arrays("01", "clusters"))
        shutil.copytree(copy.paths.arrays("00", "clusters"), copy.paths.arrays("01", "clusters"))
        group = copy.paths.arrays("01", "clusters") / "zarr.json"
        group.write_bytes(group.read_bytes())
        assert ask("/alternation/01").text != before


def test_serving_imports_no_training_and_no_torch():
    unwanted = ("torch", "torchvision", "faiss", "pplr.training", "dvc")
    assert brought(["import pplr.serve.app"], unwanted) == [[]]


def test_printable_and_drawable():
    assert printable("a b é") == "a b é"
    assert printable("a\nb\u202e") == "a\\nb\\u202e"
    assert drawable("a b é\n") == "a b \\xe9\\n"
