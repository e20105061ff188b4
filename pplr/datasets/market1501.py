"""Reader of the Market-1501 layout (Zheng et al., ICCV 2015)."""

import re
from pathlib import Path

from pplr.datasets.image_table import ImageTable
from pplr.datasets.named_folders import NamedFolders, read_named_folders

LAYOUT = NamedFolders(
    folders={"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"},
    # Person, camera, sequence, frame, box. One file of the real set ends in .jpg.jpg, so what
    # follows the box is free.
    name=re.compile(r"(-1|[0-9]{4})_c([1-9][0-9]?)s[0-9]+_[0-9]{6}_[0-9]{2}\..*"),
    form="PPPP_cCsS_FFFFFF_BB.jpg, such as 0002_c1s1_000451_03.jpg; PPPP is -1 for junk",
    archive="Market-1501-v15.09.15",
    distractor=0,
    junk=-1,
)

PUBLISHED = {
    "training images": frozenset({12_936}),
    "query images": frozenset({3_368}),
    "gallery images": frozenset({15_913}),  # 19,732 files, the rest junk
    "training identities": frozenset({751}),
    "query identities": frozenset({750}),
    "cameras": frozenset({6}),
}


def read_market1501(root: Path) -> dict[str, ImageTable]:
    """Return the tables of Market-1501, or of any data set in its layout.

    Junk images (person -1, boxes too poor to judge) are left out; distractors (person 0000) stay,
    with pid 0, and where a query shows 0000, that is a person as any other, as evaluation takes it.
    As `read_named_folders`, which lists the errors.

    Parameters
    ----------
    root
        The folder that holds bounding_box_train, query and bounding_box_test.
    """
    return read_named_folders(root, LAYOUT)
