"""Tables of images without files, and two training images."""

import numpy as np

from pplr.datasets.image_table import ImageTable


def table(*rows, **options):
    """Return a table of rows (path, pid, camid)."""
    paths, pids, camids = zip(*rows, strict=True) if rows else ((), (), ())
    return ImageTable(paths, np.array(pids, np.int32), np.array(camids, np.int32), None, **options)


def tables(train, query, gallery):
    return {"train": train, "query": query, "gallery": gallery}


TRAIN = table(("a", 1, 0), ("b", 2, 1))
