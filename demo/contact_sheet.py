"""Write a picture of the embedded data set: a row for each person, a column for each camera.

Usage: python -m demo.contact_sheet [PNG]
"""

import sys
from pathlib import Path

from PIL import Image

from pplr.datasets.demo.drawing import Shot, draw_shot
from pplr.settings.groups import DemoSettings
from pplr.settings.presets import EMBEDDED

ROWS, HEIGHT, WIDTH, GAP = 8, 128, 64, 2


def contact_sheet(settings: DemoSettings, *, first: int = 1) -> Image.Image:
    """Return a sheet of `ROWS` people, each twice before every camera.

    Parameters
    ----------
    settings
        Of the data set.
    first
        Number of the person in the first row.
    """
    columns = 2 * settings.demo_cameras
    size = (columns * (WIDTH + GAP) - GAP, ROWS * (HEIGHT + GAP) - GAP)
    sheet = Image.new("RGB", size, (255, 255, 255))
    for row in range(ROWS):
        for column in range(columns):
            shot = Shot(first + row, column // 2, column)
            image = draw_shot(settings, shot, height=HEIGHT, width=WIDTH)
            sheet.paste(image, (column * (WIDTH + GAP), row * (HEIGHT + GAP)))
    return sheet


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_suffix(".png")
    sheet = contact_sheet(DemoSettings(**EMBEDDED))
    # 128 colours are enough to look at, and a quarter of the bytes
    sheet.quantize(128, dither=Image.Dither.NONE).save(target, optimize=True)
    print(f"{target}: {target.stat().st_size / 1000:.0f} kB")
