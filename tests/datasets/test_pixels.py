"""The right pixels of every mode that a file can have, written out."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from pplr.datasets.files import open_rgb
from pplr.datasets.pixels import to_rgb
from pplr.errors import DataError
from tests.datasets.pictures import png, tiff

# red goes up, green down, blue stays
PALETTE = [257 * value for value in (*range(256), *range(255, -1, -1), *[7] * 256)]


def shorts(*values, order="<"):
    return struct.pack(f"{order}{len(values)}H", *values)


def saved(image, suffix, **options):
    stream = io.BytesIO()
    image.save(stream, suffix, **options)
    return stream.getvalue()


def row(mode, *pixels, palette=None):
    """Return an image of one row of pixels."""
    image = Image.new(mode, (len(pixels), 1))
    if palette:
        image.putpalette(palette)
    image.putdata(pixels)
    return image


def grey(*values):
    return [(value,) * 3 for value in values]


P = row("P", 0, 1, 2, palette=[10, 20, 30, 40, 50, 60, 70, 80, 90])
SIXTEEN = (0, 128, 129, 65535)  # 128 / 257 is below 0.5
INK = [(0, 0, 0, 0), (255, 0, 0, 0), (0, 255, 255, 0), (0, 0, 0, 255), (0, 100, 0, 50)]
INKED = [(255, 255, 255), (0, 255, 255), (255, 0, 0), (0, 0, 0), (205, 125, 205)]

# name: the file, Pillow's mode of it, the pixels it must end as
FILES = {
    "1.png": (saved(row("1", 0, 1), "png"), "1", grey(0, 255)),
    "1.pbm": (b"P1 2 1 1 0\n", "1", grey(0, 255)),  # there 1 is black
    "L.png": (saved(row("L", 0, 77), "png"), "L", grey(0, 77)),
    "L.tif": (tiff(0, [8], b"\x00\x4d"), "L", grey(255, 178)),  # a negative
    "L.pgm": (b"P2 2 1 15 0 15\n", "L", grey(0, 255)),
    "LA.png": (saved(row("LA", (99, 255), (0, 0), (9, 128)), "png"), "LA", grey(99, 255, 132)),
    "LA.tif": (tiff(1, [8, 8], b"\x63\xff\x00\x00", extra=[2]), "LA", grey(99, 255)),
    # 51 is what is left of 102 by half: 51 + 255 - 128 = 178, or 177 by Pillow's division
    "La.tif": (
        tiff(1, [8, 8], bytes([99, 255, 0, 0, 50, 128]), extra=[1]),
        "La",
        grey(99, 255, 177),
    ),
    "L transparent.png": (png(8, 0, b"\x05\x07", transparent=b"\0\x05"), "L", grey(255, 7)),
    "P.png": (saved(P, "png"), "P", [(10, 20, 30), (40, 50, 60), (70, 80, 90)]),
    "P.bmp": (saved(P, "bmp"), "P", [(10, 20, 30), (40, 50, 60), (70, 80, 90)]),
    "P.tif": (tiff(3, [8], b"\x00\xff", palette=PALETTE), "P", [(0, 255, 7), (255, 0, 7)]),
    "P transparent.gif": (
        saved(P, "gif", transparency=1),
        "P",
        [(10, 20, 30), (255, 255, 255), (70, 80, 90)],
    ),
    "P half transparent.png": (  # (70 * 128 + 255 * 127) / 255 = 162.1, …
        saved(P, "png", transparency=b"\xff\x00\x80"),
        "P",
        [(10, 20, 30), (255, 255, 255), (162, 167, 172)],
    ),
    "PA.tif": (
        tiff(3, [8, 8], bytes([9, 255, 9, 0]), extra=[2], palette=PALETTE),
        "PA",
        [(9, 246, 7), (255, 255, 255)],
    ),
    "RGB.png": (saved(row("RGB", (1, 2, 3)), "png"), "RGB", [(1, 2, 3)]),
    "RGB.ppm": (b"P3 1 1 255 1 2 3\n", "RGB", [(1, 2, 3)]),
    "RGB transparent.png": (
        png(8, 2, bytes([1, 2, 3, 4, 5, 6]), transparent=bytes([0, 1, 0, 2, 0, 3])),
        "RGB",
        [(255, 255, 255), (4, 5, 6)],
    ),
    # 16 bits a channel: the upper eight
    "RGB 16.png": (
        png(16, 2, bytes.fromhex("12ffffff0000123456789abc")),
        "RGB",
        [(0x12, 255, 0), (0x12, 0x56, 0x9A)],
    ),
    "RGB 16.tif": (tiff(2, [16] * 3, shorts(0x12FF, 65535, 0)), "RGB", [(0x12, 255, 0)]),
    "RGBX.tif": (tiff(2, [8] * 4, bytes([1, 2, 3, 0]), extra=[0]), "RGB", [(1, 2, 3)]),
    "RGBA.png": (
        saved(row("RGBA", (1, 2, 3, 255), (1, 2, 3, 0), (0, 100, 200, 51)), "png"),
        "RGBA",
        [(1, 2, 3), (255, 255, 255), (204, 224, 244)],
    ),
    "RGBA.webp": (
        saved(row("RGBA", (1, 2, 3, 255), (1, 2, 3, 0)), "webp", lossless=True),
        "RGBA",
        [(1, 2, 3), (255, 255, 255)],
    ),
    "RGBa.tif": (
        tiff(2, [8] * 4, bytes([100, 50, 0, 255, 0, 0, 0, 0, 40, 20, 0, 51]), extra=[1]),
        "RGBA",  # colours divided by alpha again: (200, 100, 0)
        [(100, 50, 0), (255, 255, 255), (244, 224, 204)],
    ),
    "grey and alpha of 16.png": (
        png(16, 4, bytes.fromhex("1234ffff12340000")),
        "RGBA",
        grey(0x12, 255),
    ),
    "CMYK.tif": (tiff(5, [8] * 4, bytes(sum(INK, ()))), "CMYK", INKED),
    "YCbCr.tif": (
        tiff(6, [8] * 3, bytes([76, 85, 255, 128, 128, 128])),
        "YCbCr",
        [(254, 0, 0), (128, 128, 128)],
    ),
    "LAB.tif": (
        tiff(8, [8] * 3, bytes([255, 0, 0, 0, 0, 0, 128, 0, 0])),
        "LAB",
        [(254, 255, 254), (1, 0, 1), (119, 119, 119)],
    ),
    "16.png": (png(16, 0, shorts(128, 129, order=">")), "I;16", grey(0, 1)),
    "16.tif": (tiff(1, [16], shorts(*SIXTEEN)), "I;16", grey(0, 0, 1, 255)),
    "16 big.tif": (
        tiff(1, [16], shorts(*SIXTEEN, order=">"), order=">"),
        "I;16B",
        grey(0, 0, 1, 255),
    ),
    "16 negative.tif": (tiff(0, [16], shorts(*SIXTEEN)), "I;16", grey(255, 255, 254, 0)),
    "12.tif": (tiff(1, [12], bytes.fromhex("000800fff000")), "I;16", grey(0, 128, 255, 0)),
    "16.pgm": (b"P5 4 1 65535\n" + shorts(*SIXTEEN, order=">"), "I", grey(0, 0, 1, 255)),
    "12.pgm": (b"P5 3 1 4095\n" + shorts(0, 2048, 4095, order=">"), "I", grey(0, 128, 255)),
}


@pytest.mark.parametrize("name", FILES)
def test_every_mode_ends_as_the_right_pixels(tmp_path, name):
    content, mode, expected = FILES[name]
    path = tmp_path / name
    path.write_bytes(content)
    with Image.open(path) as image:
        assert image.mode == mode
    found = open_rgb(path)
    assert found.mode == "RGB"
    assert list(map(tuple, np.asarray(found)[0].tolist())) == expected


@pytest.mark.parametrize("suffix", ["png", "tif", "jp2"])
def test_grey_of_16_bits_that_pillow_writes(tmp_path, suffix):
    values = np.arange(0, 65536, 13, np.uint16)[:4096].reshape(64, 64)
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(values).save(path)
    expected = np.floor(values / 257 + 0.5)
    np.testing.assert_array_equal(np.asarray(open_rgb(path))[:, :, 1], expected)


@pytest.mark.parametrize(("ink", "colour"), [*zip(INK, INKED, strict=True)])
def test_ink_of_a_jpeg(tmp_path, ink, colour):
    path = tmp_path / "image.jpg"
    Image.new("CMYK", (8, 8), ink).save(path, quality=100)
    assert b"Adobe" in path.read_bytes()  # there 255 is no ink
    assert open_rgb(path).getpixel((4, 4)) == colour


@pytest.mark.parametrize(
    ("mode", "pixel", "expected"),
    [
        ("HSV", (0, 255, 255), (255, 0, 0)),
        ("RGBX", (1, 2, 3, 0), (1, 2, 3)),
        ("RGBa", (40, 20, 0, 51), (244, 224, 204)),
        ("I;16L", 129, (1, 1, 1)),
    ],
)
def test_modes_that_no_file_gives_today(tmp_path, mode, pixel, expected):
    assert to_rgb(Image.new(mode, (1, 1), pixel), tmp_path).getpixel((0, 0)) == expected


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (tiff(1, [32], struct.pack("<2f", 0, 1), kind=[3]), "floating-point numbers"),
        (tiff(1, [32], struct.pack("<2I", 0, 255)), "whole numbers of 32 bits"),
        (tiff(1, [16], shorts(0, 255), kind=[2]), "or signed ones"),
    ],
)
def test_numbers_without_a_known_range_are_refused(tmp_path, content, kind):
    path = tmp_path / "image.tif"
    path.write_bytes(content)
    with pytest.raises(DataError, match="An image's values have no known range") as caught:
        open_rgb(path)
    assert str(path) in str(caught.value)
    assert kind in str(caught.value)
    assert "16 bits from 0 (black) to 65535 (white)" in str(caught.value)
