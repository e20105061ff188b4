"""Reader of the VeRi-776 layout (Liu et al., ECCV 2016)."""

import re
from pathlib import Path

from pplr.datasets.image_table import ImageTable
from pplr.datasets.named_folders import NamedFolders, read_named_folders

LAYOUT = NamedFolders(
    folders={"train": "image_train", "query": "image_query", "gallery": "image_test"},
    # vehicle, camera, frame, number in the frame
    name=re.compile(r"([0-9]{4})_c([0-9]{2}[1-9]|[0-9][1-9]0|[1-9]00)_[0-9]+_[0-9]+\..*"),
    form="VVVV_cCCC_FFFFFFFF_N.jpg, such as 0001_c001_00016450_0.jpg",
    archive="VeRi",
)

PUBLISHED = {
    "training images": frozenset({37_778, 37_746}),
    "query images": frozenset({1_678}),
    "gallery images": frozenset({11_579}),
    "training identities": frozenset({576}),
    "query identities": frozenset({200}),
    "cameras": frozenset({20}),
}


def read_veri776(root: Path) -> dict[str, ImageTable]:
    """Return the tables of VeRi-776, or of any data set in its layout.

    As `read_named_folders`, which lists the errors.

    Parameters
    ----------
    root
        The folder that holds image_train, image_query and image_test.
    """
    return read_named_folders(root, LAYOUT)
