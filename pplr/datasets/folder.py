"""Reader of a plain folder of images without labels."""

from collections.abc import Iterator
from pathlib import Path

from pplr.datasets.checks import no_images
from pplr.datasets.files import empty_table, entries, find_images, make_table
from pplr.datasets.image_checks import check_not_withdrawn, linked_folder
from pplr.datasets.image_table import UNKNOWN, ImageTable


def read_folder(root: Path) -> dict[str, ImageTable]:
    """Return the table `train` of all images in a folder and its folders; query, gallery are empty.

    Identities and cameras are unknown. Hidden files and folders are passed over.

    Raises
    ------
    MissingInputError
        There is no such folder, or no image in it.
    DataError
        A link leads nowhere, or to a folder.
    """
    check_not_withdrawn(root)
    images, passed_over = find_images(_files(root) if root.is_dir() else ())
    if not images:
        raise no_images(root)
    rows = [(path.relative_to(root).as_posix(), UNKNOWN, UNKNOWN) for path in images]
    train = make_table(root, rows, where=root, passed_over=passed_over)
    return {"train": train, "query": empty_table(), "gallery": empty_table()}


def _files(root: Path) -> Iterator[Path]:
    """Yield all files below root."""
    waiting = [root]
    while waiting:
        for path in entries(waiting.pop()):
            if path.is_dir():
                if path.is_symlink():
                    raise linked_folder(path)
                waiting.append(path)
            else:
                yield path
