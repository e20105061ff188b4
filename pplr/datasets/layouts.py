"""Readers of data sets, one for each layout on disk."""

from pathlib import Path

from pplr.datasets.demo.reader import read_demo
from pplr.datasets.folder import read_folder
from pplr.datasets.image_table import ImageTable
from pplr.datasets.market1501 import read_market1501
from pplr.datasets.msmt17 import read_msmt17
from pplr.datasets.protocol import check_tables
from pplr.datasets.table import read_listed
from pplr.datasets.veri776 import read_veri776
from pplr.settings.groups import DemoSettings, ImageSettings

READERS = {
    "market1501": read_market1501,
    "msmt17": read_msmt17,
    "veri776": read_veri776,
    "table": read_listed,
    "folder": read_folder,
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
    tables = READERS[images.dataset](source)
    check_tables(tables, source)
    return tables
