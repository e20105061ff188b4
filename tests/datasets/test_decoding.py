import os
import select
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
from PIL import Image

from pplr.datasets import decoding as images_module
from pplr.datasets.decoding import decode_images
from pplr.datasets.image_checks import check_decoded
from pplr.datasets.image_table import ImageTable
from pplr.errors import DataError
from pplr.storage import images as store
from pplr.storage.images import create_split


def table_of(*sources):
    """Return a table of images."""
    zeros = np.zeros(len(sources), np.int32)
    paths = tuple(f"{i}.jpg" for i in range(len(sources)))
    return ImageTable(paths, zeros, zeros, sources.__getitem__)


def noise(height, width, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def decode(tmp_path):
    """Decode a table into `train`; return the errors, and the images as they lie there."""

    def decode(table, *, height=4, width=2, workers=2):
        split = tmp_path / "train"
        images = create_split(split, (len(table), height, width, 3))
        broken = decode_images(
            table, split, height=height, width=width, workers=workers, what="train"
        )
        return broken, images[...]

    return decode


@pytest.mark.parametrize(("height", "width"), [(8, 8), (40, 12), (33, 65)])
def test_images_are_resized_by_bicubic_interpolation(decode, height, width):
    source = noise(height, width)
    _, (image,) = decode(table_of(source), height=16, width=24)
    bicubic = source.resize((24, 16), Image.Resampling.BICUBIC)  # PIL has the width first
    np.testing.assert_array_equal(image, np.asarray(bicubic))
    bilinear = source.resize((24, 16), Image.Resampling.BILINEAR)
    assert (image != np.asarray(bilinear)).any()


def test_an_image_of_the_right_size_keeps_its_pixels(decode):
    source = noise(4, 2)
    _, (image,) = decode(table_of(source))
    np.testing.assert_array_equal(image, np.asarray(source))


def open_slowly(sources, row):
    time.sleep(0.02 if row % 4 == 0 else 0)  # the first of a chunk is ready last
    if row in (2, 7):
        raise broken_image(row, "cut")
    if row == 4:  # who decodes: other processes than this one
        return Image.new("RGB", (2, 4), (os.getpid() % 256, os.getpid() // 256 % 256, 0))
    return sources[row]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_row_i_is_image_i(monkeypatch, decode, workers):
    for module in (images_module, store):
        monkeypatch.setattr(module, "IMAGES_PER_CHUNK", 4)
    monkeypatch.setattr(images_module, "BLOCK", 2)
    sources = [noise(4, 2, seed) for seed in range(11)]
    table = table_of(*sources)
    late = ImageTable(table.paths, table.pids, table.camids, partial(open_slowly, sources))
    broken, images = decode(late, workers=workers)
    for row in (0, 1, 3, 5, 6, 8, 9, 10):
        np.testing.assert_array_equal(images[row], np.asarray(sources[row]))
    pid = int(images[4, 0, 0, 0]) + 256 * int(images[4, 0, 0, 1])
    assert (pid == os.getpid() % 65536) == (workers == 1)
    assert list(broken) == [2, 7]
    assert str(broken[7]) == (
        "An image cannot be decoded.\n"
        "  where:   7.jpg\n"
        "  found:   cut\n"
        "  allowed: x\n"
        "  next:    mend it"
    )
    assert isinstance(broken[7], DataError)
    assert (broken[7].where, broken[7].value) == ("7.jpg", "cut")


KILLED = """
import os, signal, sys
import numpy as np
from pathlib import Path
from pplr.datasets import decoding
from pplr.datasets.image_table import ImageTable
from pplr.storage.images import create_split
from tests.datasets.test_decoding import tell_who_decodes

N = 2 * decoding.BLOCK
zeros = np.zeros(N, np.int32)
table = ImageTable(tuple(map(str, range(N))), zeros, zeros, tell_who_decodes)
create_split(Path("train"), (N, 4, 2, 3))
decoding.decode_images(table, Path("train"), height=4, width=2, workers=2, what="train")
"""


def tell_who_decodes(row):
    print(os.getpid(), flush=True)
    time.sleep(700)
    os._exit(1)


def test_decoding_processes_end_with_a_killed_one(tmp_path, request):
    environment = {**os.environ, "PYTHONPATH": str(request.config.rootpath)}
    command = [sys.executable, "-c", KILLED]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        assert int(process.stdout.readline()) != process.pid  # another one decodes
        process.kill()
        # the output ends with the last process that could write to it
        while select.select([process.stdout], [], [], 600)[0]:  # none goes on for so long
            if not process.stdout.read(4096):
                return
    pytest.fail("a process goes on")


def test_a_table_without_some_rows():
    sources = [noise(4, 2, seed) for seed in range(4)]
    left = table_of(*sources).without([1])
    assert left.paths == ("0.jpg", "2.jpg", "3.jpg")
    assert [left.open_image(row) for row in range(3)] == [sources[0], *sources[2:]]


def test_a_table_without_images(decode):
    broken, images = decode(table_of())
    assert broken == {}
    assert images.shape == (0, 4, 2, 3)


def test_an_error_that_is_no_users_mistake_comes_through(decode):
    def open_image(row):
        message = "a bug"
        raise ZeroDivisionError(message)

    zeros = np.zeros(1, np.int32)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        decode(ImageTable(("0.jpg",), zeros, zeros, open_image))


# --- broken images -------------------------------------------------------------------------


def broken_image(row, reason):
    message = "An image cannot be decoded."
    return DataError(message, where=f"{row}.jpg", value=reason, allowed="x", next_step="mend it")


def failure(reasons, *, num_images=100, skip=False):
    broken = {"train": [broken_image(*reason) for reason in reasons.items()], "query": []}
    with pytest.raises(DataError) as caught:
        check_decoded(broken, {"train": num_images, "query": 0}, skip=skip)
    return str(caught.value)


def test_one_broken_image_can_be_left_out_too():
    told = failure({1: "truncated"})
    assert told.startswith("An image cannot be decoded.\n")
    assert "1.jpg: truncated" in told
    assert "skip_broken: true" in told


def test_all_broken_images_stand_in_one_error():
    assert failure({0: "cut", 3: "empty", 5: "no JPEG"}) == (
        "3 images cannot be decoded.\n"
        "  where:   the folder of the images\n"
        "  found:   0.jpg: cut\n"
        "           3.jpg: empty\n"
        "           5.jpg: no JPEG\n"
        "  allowed: images that Pillow can open\n"
        "  next:    replace or remove what is named, or set `skip_broken: true`"
    )


@pytest.mark.parametrize(("broken", "listed", "more"), [(20, 20, None), (21, 20, 1), (50, 20, 30)])
def test_more_than_twenty_are_shortened(broken, listed, more):
    message = failure(dict.fromkeys(range(broken), "cut"))
    assert f"{broken} images cannot" in message
    assert message.count(".jpg: cut") == listed
    assert (f"and {more} more" in message) == (more is not None)
    assert (" more\n" in message) == (more is not None)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("number", [1, 2])
def test_a_split_of_broken_images_alone_is_not_advised_to_be_skipped(number, skip):
    message = failure(dict.fromkeys(range(number), "cut"), num_images=number, skip=skip)
    assert message.startswith("No image of train can be decoded.\n")
    assert "0.jpg: cut" in message
    assert "next:    replace these files; `skip_broken` does not leave out a whole split" in message
    assert "set `skip_broken" not in message


def test_broken_images_are_skipped_and_told(capsys):
    broken = {"train": [broken_image(0, "cut\n\x1b[2J")], "query": [broken_image(3, "empty")]}
    check_decoded(broken, {"train": 2, "query": 2}, skip=True)
    told = capsys.readouterr().out
    indent = " " * 11
    assert told == (  # and no name or problem moves the cursor
        "left out: 2 images that cannot be decoded\n"
        f"{indent}0.jpg: cut\\n\\x1b[2J\n{indent}3.jpg: empty\n"
    )
