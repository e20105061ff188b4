"""What cannot be read is said on its page, and the others go on."""

import html
import os

import numpy as np
import pytest
import zarr

from pplr.serve import pages
from pplr.storage.checksums import write_checksums
from tests.serve.conftest import served


def flip(folder):
    """Damage the first chunk below a folder, whose size stays."""
    file = next(path for path in sorted((folder / "c").rglob("*")) if path.is_file())
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def write(group, **arrays):
    """Write other values into a group, whose own description stays as it is."""
    for name, values in arrays.items():
        zarr.open_group(group, mode="r+")[name][...] = values
    write_checksums(group)


def test_a_damaged_ranking(copy):
    flip(copy.paths.ranking("01") / "average_precision")
    with served(copy) as ask:
        for address in ("/queries/01", "/query/01/3"):
            answer = ask(address)
            assert answer.status == 500
            assert "`average_precision` cannot be read" in answer.text
            assert "content-security-policy" in answer.headers
        assert ask("/queries/init").status == 200


def test_damaged_training_images_leave_the_pages_without_them(copy):
    flip(copy.paths.split("train") / "camids")
    with served(copy) as ask:
        for address in ("/", "/queries/01", "/query/01/3"):
            assert ask(address).status == 200
        assert ask("/alternation/01/image/3").status == 500


def test_a_ranking_of_a_larger_gallery(copy):
    write(copy.paths.ranking("01"), gallery_ranked_list=len(copy.split("gallery")))
    with served(copy) as ask:
        answer = ask("/query/01/3")
        assert answer.status == 500
        assert "The ranking is of another gallery" in answer.text


def test_damage_in_one_alternation_leaves_the_pages_of_the_other(copy):
    flip(copy.paths.arrays("01", "clusters") / "pseudo_labels")
    with served(copy) as ask:
        assert "cannot be read" in ask("/alternation/00/image/7").text
        for address in ("/alternation/00/image/7", "/alternation/00/cluster/0"):
            assert ask(address).status == 200
        problem = ask("/alternation/01/cluster/0")
        assert problem.status == 500
        assert 'href="/alternation/01"' in problem.text  # the way to the others
        assert "data-progress" not in problem.text


def test_the_page_of_a_run_that_cannot_be_read_moves_on_once_it_can(copy):
    file = copy.paths.training("01")
    content = file.read_bytes()
    with served(copy) as ask:
        file.write_bytes(content[:9])
        assert ask("/").status == 500
        assert 'data-address="/progress"' in ask("/").text
        assert ask("/progress").status == 500
        file.write_bytes(content)
        assert ask("/progress").text == "finished"


def test_what_a_run_can_be_shown_without(copy):
    copy.paths.history.write_bytes(b"\xff\xfe\x00,,")
    sorted(copy.paths.timings.glob("*/*.json"))[0].write_bytes(b"{")
    with served(copy) as ask:
        answer = ask("/")
        assert answer.status == 200
        assert "cannot be read" in answer.text
        assert ask("/progress").text == "every alternation is there, not summarized"


def test_labels_worse_than_chance(copy):
    order = np.argsort(np.argsort(copy.split("train").pids[:], kind="stable"))
    for name in ("00", "01"):
        write(copy.paths.arrays(name, "clusters"), pseudo_labels=order % 6)
    assert copy.history()[-1]["adjusted_rand_index"] < 0
    with served(copy) as ask:
        assert "adjusted rand index from -0.1" in ask("/").text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("<script>\x1b"), "not foreseen"),
        (PermissionError(13, "Permission denied", "/data/x"), "change its permissions"),
        (RecursionError("too deep"), "RecursionError: too deep"),
    ],
)
def test_whatever_is_wrong_gets_a_page(run, monkeypatch, error, words):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(pages, "outliers_page", fails)
    with served(run) as ask:
        answer = ask("/alternation/01/outliers")
        assert answer.status == 500
        assert words in html.unescape(answer.text)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        for unwanted in ("<script>", "\x1b", "Traceback"):
            assert unwanted not in answer.text
        assert ask("/").status == 200


@pytest.mark.parametrize("address", ["/alternation/%1b%5b31m", "/picture/%00/1.png", "/static/%0a"])
def test_an_address_is_shown_as_text(ask, address):
    answer = ask(address)
    assert answer.status == 404
    assert not {"\x1b", "\x00"} & set(answer.text)
    assert "pplr/serve" not in answer.text  # no folder of the server's


@pytest.mark.parametrize("address", ["http://evil.example/", "http://localhost/", "*"])
def test_a_request_as_to_a_proxy_is_not_answered(ask, address):
    answer = ask(address, Host="localhost")
    assert answer.status == 404
    assert "names nothing here" in answer.text
    assert ask(address, Host="evil.example").status == 421


def test_a_folder_without_its_list_is_damaged_and_not_missing(copy):
    (copy.paths.arrays("01", "clusters") / "checksums.json").unlink()
    with served(copy) as ask:
        for address in ("/alternation/01", "/alternation/01/image/7"):
            answer = ask(address)
            assert answer.status == 500
            assert "`checksums.json` cannot be read" in answer.text


def test_a_problem_of_the_other_run_leads_back_to_it(run):
    with served(run, run) as ask:
        assert 'href="/other/">To the run' in ask("/other/alternation/07").text
        assert 'href="/">To the run' in ask("/alternation/07").text


def test_a_checkout_that_leaves_descriptions_is_seen(copy):
    group = copy.paths.arrays("01", "clusters")
    with served(copy) as ask:
        assert "48 images are in no cluster" not in ask("/alternation/01/outliers").text
        before = (group / "zarr.json").stat()
        write(group, pseudo_labels=-1)
        os.utime(group / "zarr.json", ns=(before.st_atime_ns, before.st_mtime_ns))
        assert "48 images are in no cluster" in ask("/alternation/01/outliers").text


def test_other_pixels_of_the_same_files_have_other_addresses(copy):
    address = "/alternation/01/image/3"
    with served(copy) as ask:
        before, picture = ask(address).text, ask("/picture/train/3.png").body
        write(copy.paths.split("train"), images=7)
        assert ask("/picture/train/3.png").body != picture
        assert ask(address).text != before
