"""A picture of what a search has found: each query, and its nearest with rank and distance."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps
from PIL.PngImagePlugin import PngInfo

from pplr.datasets.files import open_rgb
from pplr.errors import PplrError
from pplr.inference.checks import DRAWN_BY
from pplr.inference.search import Answer, Gallery
from pplr.inference.search_words import nothing_near
from pplr.storage.replacing import replacing

PER_LINE = 10
TILE_HEIGHT, MIN_WIDTH = 224, 76  # pixels
MARGIN, GAP, TITLE, LABEL = 20, 10, 34, 50  # the title above, the label below a tile
BACKGROUND, TEXT, FAINT, QUERY, EMPTY = "white", "#1a1a1a", "#767676", "#0b5cad", "#e4e4e4"

Place = tuple[int, int]  # x and y of an upper left corner


def write_sheet(path: Path, sheet: Image.Image) -> None:
    """Write a sheet as PNG, which says in itself what drew it, so that it may be replaced."""
    note = PngInfo()
    note.add_text("Software", DRAWN_BY)
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG", pnginfo=note)


def draw_sheet(answers: Sequence[Answer], gallery: Gallery, size: tuple[int, int]) -> Image.Image:
    """Return a picture with a block for each answer, the query at its left.

    Parameters
    ----------
    answers
        One at least.
    gallery
        Whose images are drawn; one that is not there any more is an empty tile.
    size
        Width and height of the model's images, whose shape the tiles have.
    """
    tile = (max(MIN_WIDTH, round(TILE_HEIGHT * size[0] / size[1])), TILE_HEIGHT)
    columns = max(min(PER_LINE, len(answer.matches)) for answer in answers)
    heights = [_block_height(answer) for answer in answers]
    left = MARGIN + tile[0] + 3 * GAP  # of the nearest
    titles = [_title(answer, gallery) for answer in answers]
    widths = [MARGIN + round(_font(18).getlength(title)) for title in titles]
    width = max(left + columns * (tile[0] + GAP) - GAP, left + 220, *widths) + MARGIN
    sheet = Image.new("RGB", (width, sum(heights) + MARGIN), BACKGROUND)
    top = MARGIN
    for answer, title, height in zip(answers, titles, heights, strict=True):
        _draw_block(sheet, answer, gallery, title=title, tile=tile, top=top)
        top += height
    return sheet


def _title(answer: Answer, gallery: Gallery) -> str:
    return f"{answer.query.name}: the nearest of {len(gallery)} images of {gallery.folder.name}"


def _block_height(answer: Answer) -> int:
    lines = max(1, -(-len(answer.matches) // PER_LINE))
    return TITLE + lines * (TILE_HEIGHT + LABEL + GAP) + 2 * GAP


def _draw_block(
    sheet: Image.Image, answer: Answer, gallery: Gallery, *, title: str, tile: Place, top: int
) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, top), title, fill=TEXT, font=_font(18))
    top += TITLE
    left = MARGIN + tile[0] + 3 * GAP
    _draw_tile(sheet, answer.query, (MARGIN, top), tile, label=("query", ""), frame=QUERY)
    line = left - round(1.5 * GAP)
    draw.line((line, top, line, top + TILE_HEIGHT), fill=EMPTY, width=2)
    if not answer.matches:
        draw.text((left, top + TILE_HEIGHT // 2 - 10), nothing_near(answer), TEXT, _font(18))
    for i, match in enumerate(answer.matches):
        row, column = divmod(i, PER_LINE)
        place = (left + column * (tile[0] + GAP), top + row * (TILE_HEIGHT + LABEL + GAP))
        label = (str(i + 1), f"{match.distance:.3f}")
        _draw_tile(sheet, gallery.folder / match.path, place, tile, label=label)


def _draw_tile(
    sheet: Image.Image,
    path: Path,
    place: Place,
    tile: Place,
    *,
    label: tuple[str, str],
    frame: str | None = None,
) -> None:
    """Draw an image in its own shape into a tile, and a rank and a distance below it."""
    draw = ImageDraw.Draw(sheet)
    x, y = place
    middle = x + tile[0] // 2
    try:
        picture = ImageOps.contain(open_rgb(path), tile, Image.Resampling.LANCZOS)
        sheet.paste(picture, (x + (tile[0] - picture.width) // 2, y + tile[1] - picture.height))
    except PplrError:
        draw.rectangle((x, y, x + tile[0] - 1, y + tile[1] - 1), fill=EMPTY)
        draw.text((middle, y + tile[1] // 2), "no picture", FAINT, _font(13), anchor="mm")
    if frame is not None:
        draw.rectangle((x - 4, y - 4, x + tile[0] + 3, y + tile[1] + 3), outline=frame, width=3)
    rank, distance = label
    draw.text((middle, y + tile[1] + 8), rank, frame or FAINT, _font(15), anchor="ma")
    draw.text((middle, y + tile[1] + 27), distance, TEXT, _font(17), anchor="ma")


def _font(height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(height)
