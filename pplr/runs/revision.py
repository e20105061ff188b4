"""A run of another git revision or of a DVC experiment, without a checkout."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pplr.runs.comparison_checks import (
    no_repository,
    nothing_cached,
    revision_without_run,
    unknown_revision,
)
from pplr.settings.tracking import recorded_outputs, repository
from pplr.storage.layout import RunPaths


def link_revision(root: Path, revision: str, folder: Path) -> list[str]:
    """Lay out in a folder the run of a revision, and return the outputs that are not to be had.

    Settings, schedule, dvc.lock and metrics are copied from git; the files of outputs are links
    into DVC's cache. So the working tree stays as it is, and no array is read or copied.

    Parameters
    ----------
    root
        The root of a repository of git and DVC.
    revision
        A revision of git or the name of an experiment of DVC.
    folder
        An empty folder.

    Raises
    ------
    MissingInputError
        There is no such repository or revision, it holds no run, or DVC's cache holds none of its
        outputs.
    """
    from dvc.scm import NoSCM, RevError, resolve_rev  # a second that only revisions need wait

    paths = RunPaths(folder)
    with repository(root) as repo:
        if repo is None or isinstance(repo.scm, NoSCM):
            raise no_repository(root)
        try:
            tree = repo.scm.get_fs(resolve_rev(repo.scm, revision))
        except RevError:
            raise unknown_revision(revision, root) from None
        below = Path(repo.root_dir).relative_to(Path(repo.scm.root_dir).resolve())
        cache = Path(repo.cache.local.path)
    for target in (paths.params, paths.schedule, paths.lock, paths.metrics):
        source = str(Path("/", below, target.name))
        if tree.exists(source):
            target.write_bytes(tree.cat_file(source))
        elif target != paths.metrics:
            raise revision_without_run(revision, root, target.name)
    recorded = {path: digest for _, path, digest in recorded_outputs(paths.lock)}
    recorded.pop(paths.metrics.name, None)  # in git
    missing = [path for path in recorded if not _link(cache, recorded[path], folder / path)]
    if len(missing) == len(recorded):
        raise nothing_cached(revision, cache)
    return missing


def _link(cache: Path, digest: str, output: Path) -> bool:
    """Lay out an output by links to objects of the cache; return whether all of it is there."""
    entries = list(_files(cache, digest))
    sources = {name: cache / one[:2] / one[2:] for name, one in entries}
    if not entries or not all(source.is_file() for source in sources.values()):
        return False
    for name, source in sources.items():
        target = output / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)
    return True


def _files(cache: Path, digest: str) -> Iterator[tuple[str, str]]:
    """Yield the name below an output and the digest of each of its files; none where unknown."""
    if not digest.endswith(".dir"):
        yield "", digest
        return
    listing = cache / digest[:2] / digest[2:]
    if listing.is_file():
        entries: list[dict[str, Any]] = json.loads(listing.read_bytes())
        yield from ((entry["relpath"], entry["md5"]) for entry in entries)
