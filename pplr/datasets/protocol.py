"""What the splits of a data set must have of each other: no stage depends on the words here."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from pplr.datasets.image_checks import shown
from pplr.datasets.image_table import UNKNOWN, ImageTable
from pplr.errors import DataError


def check_tables(tables: Mapping[str, ImageTable], source: Path, *, left_out: int = 0) -> None:
    """Raise a DataError where training would see a test image, or no query has a valid match.

    Without known identities in query there is nothing to evaluate, which is no error.

    Parameters
    ----------
    tables
        Those of train, query and gallery.
    source
        What they were read from.
    left_out
        How many images are no longer in them, for they cannot be decoded.
    """
    train, query, gallery = (tables[name] for name in ("train", "query", "gallery"))
    both = sorted(set(train.paths) & {*query.paths, *gallery.paths})
    if both:
        raise DataError(
            what=f"{len(both)} image(s) are trained on and tested on.",
            where=str(source),
            value=shown(both),
            allowed="each image in train, or in query and gallery",
            next_step="take them out of one of the two",
        )
    if query.people and not num_valid_queries(query, gallery):
        raise DataError(
            what="No query has a correct image in the gallery.",
            where=str(source),
            value=f"{len(query)} queries of {len(query.people)} identities, {len(gallery)} gallery "
            f"images of {len(gallery.people)}",
            allowed="at least one query whose identity another camera has seen",
            next_step=f"replace some of the {left_out} broken images that were left out"
            if left_out
            else "check that query and gallery are of one data set and cameras are right",
        )


def num_valid_queries(query: ImageTable, gallery: ImageTable) -> int:
    """Return how many queries have a correct image in the gallery.

    As in evaluation, an unknown identity has none, and left out are images of the query's camera
    and the query itself. A distractor is a person whom no query shows.
    """
    cameras: dict[int, Counter[int]] = defaultdict(Counter)
    for pid, camid in zip(gallery.pids.tolist(), gallery.camids.tolist(), strict=True):
        cameras[pid][camid] += 1
    rows = {path: row for row, path in enumerate(gallery.paths)}
    valid = 0
    for path, pid, camid in zip(
        query.paths, query.pids.tolist(), query.camids.tolist(), strict=True
    ):
        found = cameras[pid].total()
        if camid != UNKNOWN:
            found -= cameras[pid][camid]
        own = rows.get(path)
        if own is not None and gallery.pids[own] == pid:
            found -= camid == UNKNOWN or gallery.camids[own] != camid  # otherwise gone already
        valid += pid != UNKNOWN and found > 0
    return valid
