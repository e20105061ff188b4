"""Image files byte by byte, of kinds that Pillow reads and does not write."""

import struct
import zlib
from collections.abc import Sequence

SHORT, LONG = 3, 4  # TIFF's types of numbers


def tiff(
    photometric: int,
    bits: Sequence[int],
    pixels: bytes,
    *,
    order: str = "<",
    **tags: Sequence[int],
) -> bytes:
    """Return an uncompressed TIFF of one row of pixels.

    Parameters
    ----------
    photometric
        What the numbers mean: 0 a negative, 1 grey, 2 RGB, 3 palette, 5 CMYK, 6 YCbCr, 8 LAB.
    bits
        Of each channel.
    pixels
        As they stand in the file.
    order
        Of bytes: < or >.
    **tags
        `extra` channels: 0 unused, 1 alpha that colours are multiplied with, 2 alpha; `kind` of
        numbers: 2 signed, 3 floating-point; `palette`: 768 values of 16 bits.
    """
    width = len(pixels) * 8 // sum(bits)
    numbers = {"extra": 338, "kind": 339, "palette": 320}
    entries = {256: [width], 257: [1], 258: bits, 259: [1], 262: [photometric], 273: [0]}
    entries |= {277: [len(bits)], 278: [1], 279: [len(pixels)]}
    entries |= {numbers[name]: values for name, values in tags.items()}
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    end = 8 + 2 + 12 * len(entries) + 4
    entries[273] = [end]
    rest = pixels + b"\0" * (len(pixels) % 2)
    table = struct.pack(f"{order}H", len(entries))
    for tag, values in sorted(entries.items()):
        kind = LONG if tag == 273 else SHORT
        packed = struct.pack(order + "HI"[kind == LONG] * len(values), *values)
        if len(packed) > 4:
            place = struct.pack(f"{order}I", end + len(rest))
            rest += packed
            packed = place
        table += struct.pack(f"{order}HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    return head + table + b"\0\0\0\0" + rest


def png(
    bits: int,
    colour_type: int,
    pixels: bytes,
    *,
    transparent: bytes | None = None,
    width: int = 2,
    height: int = 1,
) -> bytes:
    """Return a PNG of a row of pixels; `transparent` is the colour that is."""
    head = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" + pixels)), (b"IEND", b"")]
    if transparent is not None:
        chunks.insert(1, (b"tRNS", transparent))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
