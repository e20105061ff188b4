"""The images of a folder as a model takes them, and the features of all of them."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pplr.datasets.files import open_rgb
from pplr.datasets.folder import read_folder
from pplr.datasets.image_table import ImageTable
from pplr.datasets.pixels import resized
from pplr.errors import PplrError
from pplr.inference.checks import check_decoded, check_file
from pplr.inference.models import FinishedModel
from pplr.network.extraction import BATCH_SIZE
from pplr.progress import track

AHEAD = 2 * BATCH_SIZE  # images that are decoded while the model has others

Size = tuple[int, int]  # width and height


class FolderFeatures:
    """The features of a folder's images, computed batch by batch as one iterates.

    Images are found, decoded and resized as prepare-data does it. Only a few batches are held.

    Parameters
    ----------
    model
        Gives the features.
    folder
        The folder; images in folders below it are among them.
    skip_broken
        Leave out images that cannot be decoded. Otherwise iterating ends with an error that lists
        them, and computes nothing more once one is found.

    Raises
    ------
    MissingInputError
        There is no such folder, or no image in it.
    """

    def __init__(self, model: FinishedModel, folder: Path, *, skip_broken: bool = False):
        self.model = model
        self.folder = folder
        self.skip_broken = skip_broken
        self.table = read_folder(folder)["train"]
        self.broken: dict[int, PplrError] = {}  # by row, as far as was iterated

    @property
    def paths(self) -> list[str]:
        """The paths below the folder of the images that could be decoded, sorted."""
        return [path for row, path in enumerate(self.table.paths) if row not in self.broken]

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Yield features (n,1+P,D), in the order of `paths`."""
        images: list[NDArray[np.uint8]] = []
        decoded = decode_ahead(self.table, self.model.size)
        N = len(self.table)
        for row, image in enumerate(track(decoded, total=N, what=f"images of {self.folder}")):
            if isinstance(image, PplrError):
                self.broken[row] = image
            elif not self.broken or self.skip_broken:
                images.append(image)
            if len(images) == BATCH_SIZE:
                yield self.model.features(np.stack(images))
                images = []
        check_decoded(list(self.broken.values()), N, folder=self.folder, skip=self.skip_broken)
        if images:
            yield self.model.features(np.stack(images))


def decode_ahead(table: ImageTable, size: Size) -> Iterator[NDArray[np.uint8] | PplrError]:
    """Yield each image (H,W,3) uint8 in its turn, or why it cannot be decoded."""
    # one thread: warnings of Pillow's are silenced for the whole process, and not by two at a time
    with ThreadPoolExecutor(max_workers=1) as pool:
        ahead: deque[Future[NDArray[np.uint8] | PplrError]] = deque()
        for row in range(len(table)):
            ahead.append(pool.submit(_decode_or_say, partial(table.open_image, row), size))
            if len(ahead) > AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _decode_or_say(
    open_image: Callable[[], Image.Image], size: Size
) -> NDArray[np.uint8] | PplrError:
    try:
        return np.asarray(resized(open_image(), size))
    except PplrError as error:
        return error


def read_image(path: Path | str, size: Size) -> NDArray[np.uint8]:
    """Return an image file (H,W,3) uint8 as a model takes it.

    Raises
    ------
    MissingInputError
        There is no such file.
    DataError
        It cannot be decoded.
    """
    path = Path(path)
    check_file(path)
    return np.asarray(resized(open_rgb(path), size))
