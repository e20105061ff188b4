"""A picture of what a search has found: each query, and its nearest with rank and distance."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pplr.datasets.files import open_rgb
from pplr.errors import PplrError
from pplr.figures.tiles import MARKED, Strip, Tile, draw_strips
from pplr.inference.checks import DRAWN_BY
from pplr.inference.search import Answer, Gallery
from pplr.inference.search_words import nothing_near
from pplr.printing import drawable
from pplr.storage.replacing import replacing

TILE_HEIGHT, MIN_WIDTH = 224, 76  # pixels


def write_sheet(path: Path, sheet: Image.Image) -> None:
    """Write a sheet as PNG, which says in itself what drew it, so that it may be replaced."""
    note = PngInfo()
    note.add_text("Software", DRAWN_BY)
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG", pnginfo=note)


def draw_sheet(answers: Sequence[Answer], gallery: Gallery, size: tuple[int, int]) -> Image.Image:
    """Return a picture with a strip for each answer, the query at its left.

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
    return draw_strips([_strip(answer, gallery) for answer in answers], tile=tile)


def _strip(answer: Answer, gallery: Gallery) -> Strip:
    query = Tile(_picture(answer.query), ("query",), frame=MARKED)
    name, folder = drawable(answer.query.name), drawable(gallery.folder.name)
    title = f"{name}: the nearest of {len(gallery)} images of {folder}"
    nearest = [
        Tile(_picture(gallery.folder / match.path), (str(rank), f"{match.distance:.3f}"))
        for rank, match in enumerate(answer.matches, start=1)
    ]
    return Strip(title, nearest, lead=query, words="" if nearest else nothing_near(answer))


def _picture(path: Path) -> Image.Image | None:
    """Return an image; None where it is not there any more or damaged."""
    try:
        return open_rgb(path)
    except (PplrError, OSError):
        return None
