import io

import numpy as np
import pytest
from PIL import Image

from pplr.datasets import files
from pplr.datasets.files import is_image, make_table, open_rgb
from pplr.errors import DataError

RAMP = np.linspace(0, 255, 8 * 16).reshape(16, 8)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("1", "png"),
        ("L", "jpg"),
        ("P", "png"),
        ("P", "bmp"),
        ("LA", "png"),
        ("RGBA", "png"),
        ("RGBA", "webp"),
        ("CMYK", "jpg"),
        ("CMYK", "tif"),
        ("I;16", "png"),
        ("I;16", "tif"),
        ("F", "tiff"),
    ],
)
def test_every_mode_ends_as_pillows_own_conversion(tmp_path, mode, suffix):
    if mode == "I;16":
        image = Image.fromarray((RAMP * 257).astype(np.uint16))
    else:
        rgba = np.stack([RAMP, RAMP[::-1], RAMP.T.reshape(16, 8), RAMP], axis=2)
        image = Image.fromarray(rgba.astype(np.uint8)).convert("L" if mode == "F" else "RGBA")
        image = image.convert("RGB") if mode in ("CMYK", "P") else image
        image = image.convert(mode)
    path = tmp_path / f"image.{suffix}"
    image.save(path)
    with Image.open(path) as saved:
        assert saved.mode == mode
        expected = saved.convert("RGB")
    found = open_rgb(path)
    assert found.mode == "RGB"
    assert np.array_equal(np.asarray(found), np.asarray(expected))
    assert len(np.unique(np.asarray(found))) > 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_their_tag_says(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "image.png"
    Image.fromarray(RAMP.astype(np.uint8)).save(path, exif=exif)
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


def test_more_pixels_than_allowed(tmp_path, monkeypatch):
    path = tmp_path / "image.png"
    Image.new("RGB", (100, 101)).save(path)
    monkeypatch.setattr(files, "MAX_PIXELS", 10_100)
    assert open_rgb(path).size == (100, 101)
    monkeypatch.setattr(files, "MAX_PIXELS", 10_099)
    with pytest.raises(DataError, match="100 × 101 pixels: exceeds limit of 10099"):
        open_rgb(path)


def test_a_bomb_of_a_few_bytes_is_refused_before_it_is_decoded(tmp_path):
    stream = io.BytesIO()
    Image.new("1", (9000, 9000)).save(stream, "PNG")
    path = tmp_path / "bomb.png"
    path.write_bytes(stream.getvalue())
    assert path.stat().st_size < 20_000
    with pytest.raises(DataError, match="exceeds limit"):
        open_rgb(path)


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a", b"\xff\xd8\xff\xe0", b"II*\0\x08\0\0\0\xff\xff"]
)
def test_broken_files_are_named(tmp_path, content):
    path = tmp_path / "image.tif"
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be decoded") as caught:
        open_rgb(path)
    assert str(path) in str(caught.value)
    assert caught.value.value


def test_what_is_taken_for_an_image(tmp_path):
    for name in ("a.jpg", "b.PNG", "c.txt", "jpg"):
        (tmp_path / name).touch()
    (tmp_path / "d.jpg").mkdir()
    assert {path.name for path in tmp_path.iterdir() if is_image(path)} == {"a.jpg", "b.PNG"}


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
