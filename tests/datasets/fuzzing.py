"""What may come of whatever lies in a folder: the right result or one clear error."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import HealthCheck, settings

from pplr.datasets.layouts import DATA_SETS
from pplr.datasets.protocol import check_tables
from pplr.datasets.remarks import format_counts, remarks
from pplr.errors import PplrError
from tests.tiny import digests

FEW = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


@contextmanager
def untouched(root: Path) -> Iterator[None]:
    """Let through no error but ours, with its five parts, and no change of a file."""
    before = digests(root)
    message = ""
    try:
        yield
    except PplrError as error:
        message = str(error)
    assert digests(root) == before
    if message:
        parts = ("\n  where:   ", "\n  found:   ", "\n  allowed: ", "\n  next:    ")
        assert all(part in message for part in parts), message


def read_and_remark(dataset: str, root: Path) -> None:
    """Read a data set and say what `pplr configure` says of it; check that it is whole."""
    found = DATA_SETS[dataset].read(root)
    check_tables(found, root)
    assert len(found["train"]) > 0
    assert "train" in format_counts(found)
    assert all(remarks(dataset, found))
    for table in found.values():
        assert list(table.paths) == sorted(set(table.paths))
        assert table.pids.min(initial=0) >= -1
        assert table.camids.min(initial=0) >= -1
        assert all((root / path).is_file() for path in table.paths)
