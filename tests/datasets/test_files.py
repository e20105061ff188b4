import errno
import os

import numpy as np
import pytest
from PIL import Image

from pplr.datasets import files
from pplr.datasets.files import SUFFIXES, entries, find_images, make_table, open_rgb
from pplr.errors import DataError
from tests.datasets.pictures import png

RAMP = np.linspace(0, 255, 8 * 16).reshape(16, 8)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_their_tag_says(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"image.{suffix}"
    grey = Image.fromarray(RAMP.astype(np.uint8))
    (grey.convert("RGB") if suffix == "webp" else grey).save(path, exif=exif, lossless=True)
    # by the standard: the row and column of the picture that the stored first row and column are
    turned = {
        1: RAMP,
        2: RAMP[:, ::-1],
        3: RAMP[::-1, ::-1],
        4: RAMP[::-1],
        5: RAMP.T,
        6: RAMP.T[:, ::-1],
        7: RAMP.T[::-1, ::-1],
        8: RAMP.T[::-1],
    }[orientation]
    assert np.array_equal(np.asarray(open_rgb(path))[:, :, 0], turned.astype(np.uint8))


@pytest.mark.parametrize("tags", [b"Exif\0\0no tags at all", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"])
def test_tags_that_cannot_be_read_turn_nothing(tmp_path, tags):
    path = tmp_path / "image.jpg"
    Image.new("RGB", (8, 16), (9, 99, 200)).save(path, exif=tags)
    assert open_rgb(path).size == (8, 16)


@pytest.mark.parametrize("suffix", ["gif", "png", "tif", "webp", "mpo"])
def test_of_several_frames_it_is_the_first(tmp_path, suffix):
    first, second = (Image.new("RGB", (8, 16), colour) for colour in ((255, 0, 0), (0, 0, 255)))
    path = tmp_path / f"image.{suffix}"
    first.save(path, save_all=True, append_images=[second], lossless=True)
    jpeg = path.rename(tmp_path / "image.jpg")  # whatever the suffix, a file's content decides
    with Image.open(jpeg) as image:
        assert image.n_frames == 2
    red, green, blue = open_rgb(jpeg).getpixel((4, 8))
    assert red > 250
    assert green + blue < 10


@pytest.mark.parametrize("refusal", [errno.EACCES, errno.EMFILE, errno.EIO])
def test_a_file_that_the_system_refuses_is_no_broken_image(tmp_path, monkeypatch, refusal):
    def read(*_, **__):
        raise OSError(refusal, os.strerror(refusal))

    path = tmp_path / "image.jpg"
    Image.new("RGB", (8, 16)).save(path)
    monkeypatch.setattr(Image, "open", read)
    with pytest.raises(OSError, match=os.strerror(refusal)) as caught:
        open_rgb(path)
    assert not isinstance(caught.value, DataError)
    assert caught.value.filename == str(path)


def test_a_format_that_would_start_a_program_is_not_opened(tmp_path):
    path = tmp_path / "image.jpg"
    Image.new("RGB", (8, 16)).save(path, "EPS")
    with Image.open(path) as image:
        assert image.format == "EPS"
    with pytest.raises(DataError, match="cannot be decoded"):
        open_rgb(path)


def test_more_pixels_than_allowed(tmp_path, monkeypatch):
    path = tmp_path / "image.png"
    Image.new("RGB", (100, 101)).save(path)
    monkeypatch.setattr(files, "MAX_PIXELS", 10_100)
    assert open_rgb(path).size == (100, 101)
    monkeypatch.setattr(files, "MAX_PIXELS", 10_099)
    with pytest.raises(DataError, match="An image is too large") as caught:
        open_rgb(path)
    assert "found:   100 × 101 pixels, more than 10099\n  allowed: at most 10099 " in str(
        caught.value
    )


@pytest.mark.parametrize("side", [9_000, 10_000, 2**31 - 1])
def test_a_bomb_of_a_few_bytes_is_refused_before_it_is_decoded(tmp_path, side):
    """Pillow says nothing of the first, warns of the second and does not open the third."""
    path = tmp_path / "bomb.png"
    path.write_bytes(png(8, 0, bytes(2), width=side, height=side))
    with pytest.raises(DataError, match="An image is too large") as caught:
        open_rgb(path)
    assert "allowed: at most 67108864 pixels" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "an empty file"),
        (b"text", "no image by its content"),
        (b"GIF89a", "no image by its content"),
        (b"\xff\xd8\xff\xe0", ""),
        (b"II*\0\x08\0\0\0\xff\xff", ""),
    ],
)
def test_broken_files_are_named(tmp_path, content, reason):
    path = tmp_path / "image.tif"
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be decoded") as caught:
        open_rgb(path)
    assert str(path) in str(caught.value)
    assert caught.value.value
    assert f"found:   {reason}" in str(caught.value)
    assert "a whole file of JPEG, PNG, BMP, WEBP, TIFF, GIF, PPM, JPEG2000, AVIF" in str(
        caught.value
    )


def test_what_is_taken_for_an_image(tmp_path):
    images = {f"a{suffix}" for suffix in SUFFIXES} | {"b.PNG", "c.JFIF", "d.jpg.jpg"}
    others = {"a.txt", "b.TXT", "c.heic", "jpg"}
    hidden = {".hidden.jpg", "._a.jpg", "Thumbs.db", "desktop.ini", ".DS_Store"}
    for name in images | others | hidden:
        (tmp_path / name).touch()
    (tmp_path / "d.jpg").mkdir()
    (tmp_path / "e").mkdir()
    (tmp_path / "@eaDir").mkdir()  # previews, on a network drive
    found, passed_over = find_images(entries(tmp_path))
    assert {path.name for path in found} == images
    assert passed_over == {".txt": 2, ".heic": 1, "": 1}


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_images_of_every_suffix_are_read(tmp_path, suffix):
    path = tmp_path / f"image{suffix.upper()}"
    Image.new("1" if suffix == ".pbm" else "L", (8, 16), 255).save(path)
    assert np.asarray(open_rgb(path)).shape == (16, 8, 3)
    assert (np.asarray(open_rgb(path)) == 255).all()


@pytest.mark.parametrize("link", ["a", "a/b"])
def test_an_image_in_a_linked_folder_is_refused(tmp_path, link):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    (elsewhere / "b").mkdir(parents=True)
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(elsewhere)
    rows = [("a/b/c.jpg", 0, 0), ("d.jpg", 0, 0)]
    with pytest.raises(DataError, match="A folder of images is a link") as caught:
        make_table(root, rows, where=root)
    assert f"where:   {root / link}\n" in str(caught.value)
    assert f"cp -rs {elsewhere} {root / link}" in str(caught.value)
    (tmp_path / "link").symlink_to(root)
    assert make_table(tmp_path / "link", [rows[1]], where=root).paths == ("d.jpg",)
