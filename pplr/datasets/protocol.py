"""What the splits of a data set must have of each other, and what is worth a warning."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from pplr.datasets.files import shown
from pplr.datasets.image_table import UNKNOWN, ImageTable
from pplr.errors import DataError

# Images by split, people of train and of query, cameras; where copies differ, all that are right.
KNOWN_COUNTS = {
    "market1501": {
        "training images": {12_936},
        "query images": {3_368},
        "gallery images": {15_913},  # 19,732 files, the rest junk
        "training identities": {751},
        "query identities": {750},
        "cameras": {6},
    },
    "msmt17": {
        "training images": {32_621},
        "query images": {11_659},
        "gallery images": {82_161},
        "training identities": {1_041},
        "query identities": {3_060},
        "cameras": {15},
    },
    "veri776": {
        "training images": {37_778, 37_746},
        "query images": {1_678},
        "gallery images": {11_579},
        "training identities": {576},
        "query identities": {200},
        "cameras": {20},
    },
}
# It numbers the identities of train and of query and gallery apart.
NUMBERED_APART = "msmt17"


def format_counts(tables: Mapping[str, ImageTable]) -> str:
    """Return a table in plain text of the images, identities and cameras of each split."""
    lines = [f"{'split':8}{'images':>8}{'identities':>12}{'cameras':>9}"]
    lines += [
        f"{name:8}{len(table):8}{len(table.people):12}{len(table.cameras):9}"
        for name, table in tables.items()
    ]
    return "\n".join(lines)


def check_tables(tables: Mapping[str, ImageTable], source: Path) -> None:
    """Raise a DataError where training would see a test image, or no query has a valid match.

    Without known identities in query there is nothing to evaluate, which is no error.
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
            next_step="check that query and gallery are of one data set and cameras are right",
        )


def num_valid_queries(query: ImageTable, gallery: ImageTable) -> int:
    """Return how many queries have a correct image in the gallery.

    Left out are, as in evaluation, images of the query's camera, and the query itself.
    """
    cameras: dict[int, Counter[int]] = defaultdict(Counter)
    for pid, camid in zip(gallery.pids.tolist(), gallery.camids.tolist(), strict=True):
        cameras[pid][camid] += 1
    in_gallery = dict(zip(gallery.paths, gallery.camids.tolist(), strict=True))
    valid = 0
    for path, pid, camid in zip(
        query.paths, query.pids.tolist(), query.camids.tolist(), strict=True
    ):
        found = cameras[pid].total()
        if camid != UNKNOWN:
            found -= cameras[pid][camid]
        own = in_gallery.get(path)
        if own is not None and (camid == UNKNOWN or own != camid):
            found -= 1
        valid += pid != UNKNOWN and found > 0
    return valid


def remarks(dataset: str, tables: Mapping[str, ImageTable]) -> list[str]:
    """Return what is unlike the published data set, or unusual, one line each."""
    train, query, gallery = (tables[name] for name in ("train", "query", "gallery"))
    counts = {
        "training images": len(train),
        "query images": len(query),
        "gallery images": len(gallery),
        "training identities": len(train.people),
        "query identities": len(query.people),
        "cameras": len(train.cameras | query.cameras | gallery.cameras),
    }
    unlike = [
        f"{counts[what]:,} {what} (there {' or '.join(f'{number:,}' for number in sorted(known))})"
        for what, known in KNOWN_COUNTS.get(dataset, {}).items()
        if counts[what] not in known
    ]
    lines = []
    if unlike:
        lines.append(f"not the counts of the published data set: {', '.join(unlike)}")
    shared = sorted(train.people & (query.people | gallery.people))
    if shared and dataset != NUMBERED_APART:
        lines.append(
            f"{len(shared)} identities are in train and in query or gallery: {shown(shared)}; "
            "re-identification is measured on people who were not trained on"
        )
    if not query.people:
        lines.append("no query has a known identity: there will be nothing to evaluate")
    else:
        lost = len(query) - num_valid_queries(query, gallery)
        if lost:
            lines.append(
                f"{lost} of {len(query)} queries have no correct image in the gallery: "
                "they do not count"
            )
    return lines
