"""The data sets by name: each its reader, and what is published of it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from pplr.datasets import market1501, msmt17, veri776
from pplr.datasets.demo.reader import read_demo
from pplr.datasets.folder import read_folder
from pplr.datasets.image_table import ImageTable
from pplr.datasets.protocol import check_tables
from pplr.datasets.table import read_table
from pplr.settings.groups import DemoSettings, ImageSettings


class DataSet(NamedTuple):
    """How a data set lies on disk, and what is known of it."""

    read: Callable[[Path], dict[str, ImageTable]]
    # counts by what is counted; where copies of the data set differ, all that are right
    published: Mapping[str, frozenset[int]] = {}
    # identities of train are numbered apart from those of query and gallery
    numbered_apart: bool = False


DATA_SETS = {
    "market1501": DataSet(market1501.read_market1501, market1501.PUBLISHED),
    "msmt17": DataSet(msmt17.read_msmt17, msmt17.PUBLISHED, numbered_apart=True),
    "veri776": DataSet(veri776.read_veri776, veri776.PUBLISHED),
    "table": DataSet(read_table),
    "folder": DataSet(read_folder),
}


def read_dataset(images: ImageSettings, demo: DemoSettings, source: Path) -> dict[str, ImageTable]:
    """Return the tables train, query and gallery of a data set.

    Parameters
    ----------
    images
        `dataset` says which layout; the embedded data set is drawn in `height` and `width`.
    demo
        What the embedded data set is drawn by; the others do not read it.
    source
        The folder of the images; the embedded data set reads none.
    """
    if images.dataset == "demo":
        return read_demo(demo, height=images.height, width=images.width)
    tables = DATA_SETS[images.dataset].read(source)
    check_tables(tables, source)
    return tables
