"""What alternations that are in the schedule no more have left on disk."""

import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pplr.storage.layout import RunPaths


def leftovers(paths: RunPaths, known: Collection[str]) -> tuple[list[Path], list[Path]]:
    """Return the outputs of alternations that are not in the schedule: which may go, which stay.

    dvc.lock says what the pipeline has written. Such an output may go where DVC's cache holds it
    as it lies there, so that `dvc repro` brings it back with the schedule it belongs to. One that
    has been changed since, or that the cache does not hold, stays; whatever else lies under data/
    is nobody's output and is not looked at, nor are outputs of stages of one's own.

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
    from dvc.utils.serialize import load_yaml

    try:
        outputs = sorted(set(_recorded(load_yaml(str(paths.lock)), paths, known)))
        kept_by_cache = _in_cache(paths.root, outputs) if outputs else set()
    except DvcException:  # a broken lock, or no repository: DVC itself will say so
        return [], []
    going = [path for path, _ in outputs if path in kept_by_cache]
    return going, [path for path, _ in outputs if path not in kept_by_cache]


def _recorded(
    lock: Any, paths: RunPaths, known: Collection[str]
) -> Iterator[tuple[Path, str | None]]:
    """Yield path and digest of what is there of alternations that are not in the schedule.

    A stage of one alternation is named as `train-epoch@07`. What is no lock has nothing to yield.
    """
    stages = lock.get("stages") if isinstance(lock, dict) else None
    for stage, entry in (stages if isinstance(stages, dict) else {}).items():
        name = str(stage).partition("@")[2]
        if not name.isdecimal() or name in known:
            continue
        ours = {str(path) for path in RunPaths().outputs([name])}
        for out in (entry.get("outs") if isinstance(entry, dict) else None) or ():
            if isinstance(out, dict) and out.get("path") in ours:
                path = paths.root / out["path"]
                if path.exists():
                    yield path, out.get("md5")


def _in_cache(root: Path, outputs: list[tuple[Path, str | None]]) -> set[Path]:
    """Return the outputs that lie on disk with their recorded digest, and whole in DVC's cache."""
    from dvc.fs import localfs
    from dvc.repo import Repo
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.tree import Tree

    found = set()
    with Repo(str(root)) as repo:
        cache = repo.cache.local
        for path, digest in outputs:
            _, _, content = build(cache, str(path.absolute()), localfs, "md5", dry_run=True)
            objects = [content.hash_info]
            if isinstance(content, Tree):
                objects += [hash_info for _, _, hash_info in content]
            if content.hash_info.value == digest and all(
                is_sound(Path(cache.oid_to_path(one.value))) for one in objects
            ):
                found.add(path)
    return found


def is_sound(cached: Path) -> bool:
    """Return whether an object of DVC's cache is there and has the MD5 that is its name.

    DVC itself trusts an object that is read-only.
    """
    if not cached.is_file():
        return False
    with cached.open("rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    return digest == cached.parent.name + cached.name.removesuffix(".dir")
