"""What alternations that are in the schedule no more have left on disk."""

from collections.abc import Collection
from pathlib import Path

from pplr.storage.layout import RunPaths


def leftovers(paths: RunPaths, known: Collection[str]) -> tuple[list[Path], list[Path]]:
    """Return the outputs of alternations that are not in the schedule: which may go, which stay.

    dvc.lock says what the pipeline has written. Such an output may go where DVC's cache holds it
    as it lies there, so that `dvc repro` brings it back with the schedule it belongs to. One that
    has been changed since, or that the cache does not hold, stays; whatever else lies under data/
    is nobody's output and is not looked at.

    Parameters
    ----------
    paths
        The paths of the run.
    known
        The names of the schedule's alternations, and `init`.
    """
    if not paths.lock.is_file():
        return [], []
    from dvc.exceptions import (
        DvcException,  # half a second that a first configuration need not wait
    )

    try:
        outputs = [out for out in _recorded(paths, known) if out[0].exists()]
        kept_by_cache = _in_cache(paths.root, outputs) if outputs else set()
    except DvcException:  # a broken lock, or no repository: DVC itself will say so
        return [], []
    going = [path for path, _ in outputs if path in kept_by_cache]
    return going, [path for path, _ in outputs if path not in kept_by_cache]


def _recorded(paths: RunPaths, known: Collection[str]) -> list[tuple[Path, str]]:
    """Return path and digest of what dvc.lock knows of stages whose names are not in the schedule.

    A stage of one alternation is named as `train-epoch@07`.
    """
    from dvc.utils.serialize import load_yaml

    stages = load_yaml(str(paths.lock)).get("stages", {})
    return sorted(
        (paths.root / out["path"], out["md5"])
        for stage, entry in stages.items()
        for out in entry.get("outs", ())
        if "@" in stage and stage.partition("@")[2] not in known
    )


def _in_cache(root: Path, outputs: list[tuple[Path, str]]) -> set[Path]:
    """Return the outputs that lie on disk with their recorded digest, and whole in DVC's cache."""
    from dvc.fs import localfs
    from dvc.repo import Repo
    from dvc_data.hashfile import check
    from dvc_data.hashfile.build import build
    from dvc_objects.errors import ObjectFormatError

    found = set()
    with Repo(str(root)) as repo:
        cache = repo.cache.local
        for path, digest in outputs:
            _, _, content = build(cache, str(path.absolute()), localfs, "md5", dry_run=True)
            try:
                check(cache, content)
            except (FileNotFoundError, ObjectFormatError):  # not there, or damaged
                continue
            if content.hash_info.value == digest:
                found.add(path)
    return found
