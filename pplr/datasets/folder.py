"""Reader of a plain folder of images without labels."""

from pathlib import Path

from pplr.datasets.files import (
    empty_table,
    entries,
    is_image,
    make_table,
    missing,
    refuse_withdrawn,
)
from pplr.datasets.image_table import UNKNOWN, ImageTable
from pplr.errors import DataError


def read_folder(root: Path) -> dict[str, ImageTable]:
    """Return the table `train` of all images in a folder and its folders; query, gallery are empty.

    Identities and cameras are unknown. Links to folders are followed; hidden files and folders
    are passed over.

    Raises
    ------
    MissingInputError
        There is no such folder, or no image in it.
    DataError
        Links lead nowhere, or back into themselves.
    """
    refuse_withdrawn(root)
    paths = _image_paths(root) if root.is_dir() else []
    if not paths:
        raise missing(
            root,
            "There are no images in the folder." if root.is_dir() else "There is no such folder.",
            allowed="a folder of images, in folders of its own or not",
            next_step="name the folder of the images with --data-dir",
        )
    rows = [(path, UNKNOWN, UNKNOWN) for path in paths]
    train = make_table(root, rows, where=root)
    return {"train": train, "query": empty_table(), "gallery": empty_table()}


def _image_paths(root: Path) -> list[str]:
    """Return the paths of all images below root, relative to it."""
    paths = []
    waiting = [(root, frozenset([root.resolve()]))]
    while waiting:
        folder, above = waiting.pop()
        for path in entries(folder):
            if path.is_dir():
                resolved = path.resolve()
                if resolved in above:
                    raise DataError(
                        what="A link leads back into a folder that holds it.",
                        where=str(path),
                        value=f"a link to {resolved}",
                        allowed="folders that end somewhere",
                        next_step="remove the link",
                    )
                waiting.append((path, above | {resolved}))
            elif is_image(path):
                paths.append(path.relative_to(root).as_posix())
    return paths
