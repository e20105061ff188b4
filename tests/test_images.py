import os
import time
from functools import partial

import numpy as np
import pytest
from PIL import Image

from pplr import images as images_module
from pplr.datasets.table import ImageTable
from pplr.errors import DataError
from pplr.images import check_decoded, decode_chunks


def table_of(*sources):
    """Return a table of images; one that is text cannot be decoded, for the reason it gives."""

    def open_image(row):
        if isinstance(sources[row], str):
            message = "An image cannot be decoded."
            raise DataError(
                message, where=f"{row}.jpg", value=sources[row], allowed="x", next_step="mend it"
            )
        return sources[row]

    zeros = np.zeros(len(sources), np.int32)
    return ImageTable(tuple(f"{i}.jpg" for i in range(len(sources))), zeros, zeros, open_image)


def noise(height, width, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def decode(table, *, height=4, width=2, workers=2, skip=False):
    broken = {}
    chunks = [
        chunk.copy()
        for chunk in decode_chunks(
            table, height=height, width=width, workers=workers, what="train", broken=broken
        )
    ]
    check_decoded([*broken.values()], skip=skip)
    return chunks


@pytest.mark.parametrize(("height", "width"), [(8, 8), (40, 12), (33, 65)])
def test_images_are_resized_by_bicubic_interpolation(height, width):
    source = noise(height, width)
    ((image,),) = decode(table_of(source), height=16, width=24)
    assert image.shape == (16, 24, 3)
    assert image.dtype == np.uint8
    bicubic = source.resize((24, 16), Image.Resampling.BICUBIC)  # PIL has the width first
    np.testing.assert_array_equal(image, np.asarray(bicubic))
    bilinear = source.resize((24, 16), Image.Resampling.BILINEAR)
    assert (image != np.asarray(bilinear)).any()


def test_an_image_of_the_right_size_keeps_its_pixels():
    source = noise(4, 2)
    ((image,),) = decode(table_of(source))
    np.testing.assert_array_equal(image, np.asarray(source))


def open_slowly(sources, row):
    time.sleep(0.02 if row % 3 == 0 else 0)  # the first of a chunk is ready last
    if row in (2, 7):
        message = "An image cannot be decoded."
        raise DataError(message, where=f"{row}.jpg", value="cut", allowed="x", next_step="mend it")
    if row == 4:  # who decodes: other processes than this one
        return Image.new("RGB", (2, 4), (os.getpid() % 256, os.getpid() // 256 % 256, 0))
    return sources[row]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_rows_keep_their_order_in_chunks(monkeypatch, workers):
    monkeypatch.setattr(images_module, "IMAGES_PER_CHUNK", 3)
    monkeypatch.setattr(images_module, "BLOCK", 2)
    sources = [noise(4, 2, seed) for seed in range(11)]
    table = table_of(*sources)
    late = ImageTable(table.paths, table.pids, table.camids, partial(open_slowly, sources))
    broken = {}
    chunks = [
        chunk.copy()
        for chunk in decode_chunks(
            late, height=4, width=2, workers=workers, what="train", broken=broken
        )
    ]
    assert [len(chunk) for chunk in chunks] == [3, 3, 3]
    kept = [0, 1, 3, 4, 5, 6, 8, 9, 10]
    images = np.concatenate(chunks)
    for image, row in zip(images, kept, strict=True):
        if row != 4:
            np.testing.assert_array_equal(image, np.asarray(sources[row]))
    pid = int(images[3, 0, 0, 0]) + 256 * int(images[3, 0, 0, 1])
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


def test_one_chunk_is_decoded_at_a_time(monkeypatch):
    monkeypatch.setattr(images_module, "IMAGES_PER_CHUNK", 2)
    opened = []
    sources = [noise(4, 2, seed) for seed in range(6)]
    table = table_of(*sources)
    counting = ImageTable(
        table.paths, table.pids, table.camids, lambda row: opened.append(row) or sources[row]
    )
    chunks = decode_chunks(counting, height=4, width=2, workers=1, what="train", broken={})
    next(chunks)
    assert sorted(opened) == [0, 1]


# --- broken images -------------------------------------------------------------------------


def failure(*sources, monkeypatch, chunk=4):
    monkeypatch.setattr(images_module, "IMAGES_PER_CHUNK", chunk)
    with pytest.raises(DataError) as caught:
        decode(table_of(*sources))
    return str(caught.value)


def test_one_broken_image_is_told_as_the_reader_told_it(monkeypatch):
    message = failure(noise(4, 2), "truncated", monkeypatch=monkeypatch)
    assert message == (
        "An image cannot be decoded.\n"
        "  where:   1.jpg\n"
        "  found:   truncated\n"
        "  allowed: x\n"
        "  next:    mend it"
    )


def test_all_broken_images_of_all_chunks_stand_in_one_error(monkeypatch):
    good = noise(4, 2)
    message = failure("cut", good, good, "empty", good, "no JPEG", monkeypatch=monkeypatch, chunk=2)
    assert message == (
        "3 images cannot be decoded.\n"
        "  where:   the folder of the images\n"
        "  found:   0.jpg: cut\n"
        "           3.jpg: empty\n"
        "           5.jpg: no JPEG\n"
        "  allowed: images that PIL can open\n"
        "  next:    replace or remove these files, or set `skip_broken: true`"
    )


@pytest.mark.parametrize(("broken", "listed", "more"), [(20, 20, None), (21, 20, 1), (50, 20, 30)])
def test_more_than_twenty_are_shortened(monkeypatch, broken, listed, more):
    message = failure(*["cut"] * broken, monkeypatch=monkeypatch)
    assert f"{broken} images cannot" in message
    assert message.count(".jpg: cut") == listed
    assert (f"and {more} more" in message) == (more is not None)
    assert (" more\n" in message) == (more is not None)


def test_broken_images_are_skipped_and_told(monkeypatch, capsys):
    monkeypatch.setattr(images_module, "IMAGES_PER_CHUNK", 2)
    good = [noise(4, 2, seed) for seed in range(3)]
    chunks = decode(table_of("cut", good[0], good[1], "empty", good[2]), skip=True)
    assert [len(chunk) for chunk in chunks] == [2, 1]
    np.testing.assert_array_equal(np.concatenate(chunks), np.stack([*map(np.asarray, good)]))
    told = capsys.readouterr().out
    indent = " " * 11
    assert told == (
        f"left out: 2 images that cannot be decoded\n{indent}0.jpg: cut\n{indent}3.jpg: empty\n"
    )


def test_a_table_without_images():
    assert decode(table_of()) == []


def test_an_error_that_is_no_users_mistake_comes_through():
    def open_image(row):
        message = "a bug"
        raise ZeroDivisionError(message)

    zeros = np.zeros(1, np.int32)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        decode(ImageTable(("0.jpg",), zeros, zeros, open_image))
