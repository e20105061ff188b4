"""Readers of data sets, one for each layout on disk."""

from pathlib import Path

from pplr.datasets.demo import DemoSettings, read_demo
from pplr.datasets.market1501 import read_market1501
from pplr.datasets.table import ImageTable
from pplr.params import Params


def read_dataset(params: Params, source: Path) -> dict[str, ImageTable]:
    """Return the tables train, query and gallery of a data set.

    Parameters
    ----------
    params
        `dataset` says which layout; the embedded data set is drawn by `demo_*`, `height`, `width`.
    source
        The folder of the images; the embedded data set reads none.
    """
    if params.dataset == "demo":
        demo = params.select(DemoSettings, prefix="demo_")
        return read_demo(demo, height=params.height, width=params.width)
    return read_market1501(source)


def count_images(params: Params, source: Path) -> str:
    """Return a table in plain text of the images, identities and cameras of each split."""
    lines = [f"{'split':8}{'images':>8}{'identities':>12}{'cameras':>9}"]
    for name, table in read_dataset(params, source).items():
        identities = len(set(table.pids[table.pids > 0]))
        cameras = len(set(table.camids[table.camids >= 0]))
        lines.append(f"{name:8}{len(table.paths):8}{identities:12}{cameras:9}")
    return "\n".join(lines)
