"""Reader of a plain folder of images without labels."""

from pathlib import Path

from pplr.datasets.checks import no_images
from pplr.datasets.files import empty_table, entries, is_image, make_table
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
    paths = _image_paths(root) if root.is_dir() else []
    if not paths:
        raise no_images(root)
    rows = [(path, UNKNOWN, UNKNOWN) for path in paths]
    train = make_table(root, rows, where=root)
    return {"train": train, "query": empty_table(), "gallery": empty_table()}


def _image_paths(root: Path) -> list[str]:
    """Return the paths of all images below root, relative to it."""
    paths = []
    waiting = [root]
    while waiting:
        for path in entries(waiting.pop()):
            if path.is_dir():
                if path.is_symlink():
                    raise linked_folder(path)
                waiting.append(path)
            elif is_image(path):
                paths.append(path.relative_to(root).as_posix())
    return paths
