"""Whatever bytes a file has, it is an image or one clear error."""

import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pplr.datasets.files import SUFFIXES, open_rgb
from pplr.errors import PplrError
from tests.datasets.fuzzing import FEW, untouched
from tests.datasets.pictures import tiff


def encoded() -> list[bytes]:
    """Return small images in every format and mode that Pillow writes."""
    noise = np.random.default_rng(0).integers(0, 256, (12, 8, 4), np.uint8)
    rgb = Image.fromarray(noise[:, :, :3])
    grey = Image.fromarray(noise[:, :, 0])
    exif = Image.Exif()
    exif[0x0112] = 6
    files = [
        tiff(1, [32], bytes(16), kind=[3]),
        tiff(1, [12], bytes(6)),
        tiff(1, [8, 8], bytes(4), extra=[1]),
    ]
    for image, formats in (
        (rgb, ("JPEG", "PNG", "BMP", "WEBP", "GIF", "PPM", "JPEG2000", "AVIF")),
        (rgb.quantize(7), ("PNG", "GIF", "BMP", "TIFF")),
        (rgb.convert("CMYK"), ("JPEG", "TIFF")),
        (grey.convert("LA"), ("PNG", "WEBP")),
        (grey.convert("1"), ("PNG", "TIFF", "PPM")),
        (Image.fromarray(noise), ("PNG", "TIFF", "AVIF")),
        (Image.fromarray(noise[:, :, 0].astype(np.uint16) * 257), ("PNG", "TIFF", "JPEG2000")),
    ):
        for name in formats:
            stream = io.BytesIO()
            image.save(stream, name, exif=exif)
            files.append(stream.getvalue())
    for compression in ("tiff_lzw", "jpeg", "tiff_adobe_deflate"):
        stream = io.BytesIO()
        rgb.save(stream, "TIFF", compression=compression, exif=exif)
        files.append(stream.getvalue())
    return files


ENCODED = encoded()


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Draw a file that is cut, or of which some bytes are others, more or fewer."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(content)))
        new = draw(st.one_of(st.binary(max_size=4), st.sampled_from([b"\xff" * 4, b"\0" * 4])))
        content[at : at + draw(st.integers(0, 4))] = new
    return bytes(content[: draw(st.one_of(st.none(), st.integers(0, len(content))))])


ANY_IMAGE = st.one_of(
    st.binary(max_size=99),
    st.tuples(st.sampled_from(ENCODED), st.binary(max_size=99)).map(lambda t: t[0][:12] + t[1]),
    st.sampled_from(ENCODED).flatmap(damaged),
)


@given(content=ANY_IMAGE, suffix=st.sampled_from(sorted(SUFFIXES)))
@settings(FEW, max_examples=200)
def test_any_bytes_are_an_image_or_an_error(content, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"image{suffix}"
        path.write_bytes(content)
        with untouched(path.parent):
            image = open_rgb(path)
            pixels = np.asarray(image)
            assert image.mode == "RGB"
            assert pixels.shape == (image.height, image.width, 3)


@pytest.mark.parametrize("number", range(len(ENCODED)))
def test_a_wrong_suffix_changes_nothing(tmp_path, number):
    results = set()
    for suffix in sorted(SUFFIXES):
        path = tmp_path / f"image{suffix}"
        path.write_bytes(ENCODED[number])
        try:
            results.add(open_rgb(path).tobytes())
        except PplrError as error:
            results.add(error.value)
    assert len(results) == 1
