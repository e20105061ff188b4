"""Sheets: strips of small pictures, with a title above each strip and words below each picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont, ImageOps

MARGIN, GAP, LINE = 20, 10, 19  # pixels; a line of words below a tile
TITLE = 34  # above a strip
BACKGROUND, TEXT, FAINT, EMPTY = "white", "#1a1a1a", "#767676", "#e4e4e4"
# told apart by the colour-blind, too
MARKED, RIGHT, WRONG = "#0b5cad", "#00795a", "#c24e00"

Size = tuple[int, int]  # width and height, or x and y of an upper left corner


@dataclass(frozen=True, eq=False)
class Tile:
    """A picture in a sheet.

    Parameters
    ----------
    picture
        Drawn in its own shape into the tile; None is an empty tile that says so.
    words
        The lines below it.
    frame
        The colour of a frame around it, and of the first line.
    """

    picture: Image.Image | None
    words: Sequence[str] = ()
    frame: str | None = None


@dataclass(frozen=True, eq=False)
class Strip:
    """Tiles beside each other, in several lines where they are many.

    Parameters
    ----------
    title
        Above them.
    tiles
        May be none.
    lead
        A tile at their left, behind a line.
    words
        What stands in the place of tiles where there are none.
    """

    title: str
    tiles: Sequence[Tile]
    lead: Tile | None = None
    words: str = ""


def draw_strips(
    strips: Sequence[Strip], *, tile: Size, per_line: int = 10, heading: str = ""
) -> Image.Image:
    """Return a sheet of strips, one below the other.

    Parameters
    ----------
    strips
        One at least.
    tile
        Width and height of a tile.
    per_line
        How many tiles stand beside each other at most.
    heading
        Above all of them.
    """
    columns = max(min(per_line, len(strip.tiles)) for strip in strips)
    lefts = [MARGIN + (tile[0] + 3 * GAP if strip.lead else 0) for strip in strips]
    heights = [_height(strip, tile, per_line) for strip in strips]
    words = [_width(strip.title, 18) for strip in strips] + [_width(heading, 24)]
    words += [left - MARGIN + _width(s.words, 18) for s, left in zip(strips, lefts, strict=True)]
    width = max(max(lefts) + columns * (tile[0] + GAP) - GAP, MARGIN + max(words)) + MARGIN
    top = MARGIN + (TITLE + GAP if heading else 0)
    sheet = Image.new("RGB", (width, top + sum(heights)), BACKGROUND)
    ImageDraw.Draw(sheet).text((MARGIN, MARGIN), heading, TEXT, font(24))
    for strip, left, height in zip(strips, lefts, heights, strict=True):
        _draw_strip(sheet, strip, (left, top), tile=tile, per_line=per_line)
        top += height
    return sheet


def font(height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the font of all sheets, Pillow's own."""
    return ImageFont.load_default(height)


def _width(text: str, height: int) -> int:
    return round(font(height).getlength(text))


def _line_height(strip: Strip, tile: Size) -> int:
    """Return the height of a line of tiles with the words below and a gap."""
    tiles = [*strip.tiles, *([strip.lead] if strip.lead else [])]
    lines = max((len(one.words) for one in tiles), default=0)
    return tile[1] + (8 + LINE * lines if lines else 0) + GAP


def _height(strip: Strip, tile: Size, per_line: int) -> int:
    if not strip.tiles and not strip.lead:
        return (2 if strip.words else 1) * TITLE + 2 * GAP
    lines = max(1, -(-len(strip.tiles) // per_line))
    return TITLE + lines * _line_height(strip, tile) + 2 * GAP


def _draw_strip(
    sheet: Image.Image, strip: Strip, place: Size, *, tile: Size, per_line: int
) -> None:
    draw = ImageDraw.Draw(sheet)
    left, top = place
    draw.text((MARGIN, top), strip.title, TEXT, font(18))
    top += TITLE
    if strip.lead:
        _draw_tile(sheet, strip.lead, (MARGIN, top), tile)
        line = left - round(1.5 * GAP)
        draw.line((line, top, line, top + tile[1]), fill=EMPTY, width=2)
    if not strip.tiles:
        middle = top + tile[1] // 2 - 10 if strip.lead else top
        draw.text((left, middle), strip.words, TEXT if strip.lead else FAINT, font(18))
    for i, one in enumerate(strip.tiles):
        line, column = divmod(i, per_line)
        x, y = left + column * (tile[0] + GAP), top + line * _line_height(strip, tile)
        _draw_tile(sheet, one, (x, y), tile)


def _draw_tile(sheet: Image.Image, one: Tile, place: Size, tile: Size) -> None:
    """Draw a picture at the bottom of its tile, its frame around it, and its words below."""
    draw = ImageDraw.Draw(sheet)
    x, y = place
    middle = x + tile[0] // 2
    if one.picture is None:
        draw.rectangle((x, y, x + tile[0] - 1, y + tile[1] - 1), fill=EMPTY)
        draw.text((middle, y + tile[1] // 2), "no picture", FAINT, font(13), anchor="mm")
    else:
        picture = ImageOps.contain(one.picture, tile, Image.Resampling.LANCZOS)
        sheet.paste(picture, (x + (tile[0] - picture.width) // 2, y + tile[1] - picture.height))
    if one.frame is not None:
        draw.rectangle((x - 4, y - 4, x + tile[0] + 3, y + tile[1] + 3), outline=one.frame, width=3)
    for i, words in enumerate(one.words):
        colour = TEXT if i else one.frame or FAINT
        draw.text((middle, y + tile[1] + 8 + LINE * i), words, colour, font(15), anchor="ma")
