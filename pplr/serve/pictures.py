"""Images of a run as PNG."""

import functools
import io

from PIL import Image

from pplr.figures.masked import darkened
from pplr.serve.look import Look


@functools.lru_cache(512)
def picture(look: Look, split: str, version: str, row: int) -> bytes:
    """Return an image of a split as PNG, as the model sees it but for augmentation.

    Parameters
    ----------
    look
        The run.
    split, row
        Which image.
    version
        Of the split, so that none is kept of what it held before.
    """
    return _png(Image.fromarray(look.pictures(split)[row]))


def masked_picture(look: Look, name: str, row: int) -> bytes | None:
    """Return a training image beside itself times the agreement of its parts, and the agreement.

    None where an alternation has no agreement yet.
    """
    clustered = look.clustered(name)
    if clustered is None or clustered.agreement is None:
        return None
    image = look.pictures("train")[row]
    agreement = clustered.agreement[row]
    return _png(darkened(image, agreement, agreement, height=2 * image.shape[0]))


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, format="PNG", compress_level=1)
    return file.getvalue()
