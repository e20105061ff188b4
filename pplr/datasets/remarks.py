"""What is told of a data set's splits: counts and warnings, on which no stage depends."""

import os
from collections import Counter, defaultdict
from collections.abc import Mapping

from pplr.datasets.image_checks import shown
from pplr.datasets.image_table import ImageTable
from pplr.datasets.layouts import DATA_SETS
from pplr.datasets.protocol import num_valid_queries


def format_counts(tables: Mapping[str, ImageTable]) -> str:
    """Return a table in plain text of the images, identities and cameras of each split."""
    lines = [f"{'split':8}{'images':>8}{'identities':>12}{'cameras':>9}"]
    lines += [
        f"{name:8}{len(table):8}{len(table.people):12}{len(table.cameras):9}"
        for name, table in tables.items()
    ]
    return "\n".join(lines)


def remarks(dataset: str, tables: Mapping[str, ImageTable]) -> list[str]:
    """Return what is unlike the published data set, or unusual, one line each."""
    known = DATA_SETS.get(dataset)
    published = known.published if known else {}
    numbered_apart = known is not None and known.numbered_apart
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
        f"{counts[what]:,} {what} (there {' or '.join(f'{number:,}' for number in sorted(right))})"
        for what, right in published.items()
        if counts[what] not in right
    ]
    lines = []
    if unlike:
        lines.append(f"not the counts of the published data set: {', '.join(unlike)}")
    shared = sorted(train.people & (query.people | gallery.people))
    if shared and not numbered_apart:
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
    return [*lines, *_remarks_on_files(tables)]


def _remarks_on_files(tables: Mapping[str, ImageTable]) -> list[str]:
    """Return what is unusual about the files of the images, one line each."""
    lines = []
    passed_over: Counter[str] = Counter()
    alike = []
    for table in tables.values():
        passed_over += Counter(table.passed_over)
        files = defaultdict(list)
        for path in table.paths:
            files[os.path.splitext(path)[0]].append(path)  # noqa: PTH122 — twice as fast
        alike += [" and ".join(paths) for paths in files.values() if len(paths) > 1]
    if passed_over:
        counts = [f"{suffix or 'no suffix'} {n}" for suffix, n in passed_over.most_common()]
        lines.append(
            f"{passed_over.total()} files are no images by their suffix and were passed over: "
            f"{shown(counts)}"
        )
    if alike:
        lines.append(
            f"{len(alike)} names stand there with several suffixes: {shown(alike)}; "
            "if they are one picture, remove the copies"
        )
    return lines
