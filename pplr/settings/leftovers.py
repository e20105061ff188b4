"""What alternations that are in the schedule no more have left on disk."""

from collections.abc import Collection
from pathlib import Path

from pplr.settings.tracking import is_sound, recorded_outputs, repository
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
    outputs = sorted(
        (paths.root / path, digest)
        for stage, path, digest in recorded_outputs(paths.lock)
        if _is_of_another_alternation(stage, path, known) and (paths.root / path).exists()
    )
    kept_by_cache = _in_cache(paths.root, outputs) if outputs else set()
    going = [path for path, _ in outputs if path in kept_by_cache]
    return going, [path for path, _ in outputs if path not in kept_by_cache]


def _is_of_another_alternation(stage: str, path: str, known: Collection[str]) -> bool:
    """Return whether an output is the pipeline's, of an alternation that is not known.

    Its stage is named as `train-epoch@07`.
    """
    name = stage.partition("@")[2]
    if not name.isdecimal() or name in known:
        return False
    return Path(path) in RunPaths().outputs([name])


def _in_cache(root: Path, outputs: list[tuple[Path, str]]) -> set[Path]:
    """Return the outputs that lie on disk with their recorded digest, and whole in DVC's cache."""
    from dvc.fs import localfs
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.tree import Tree

    found: set[Path] = set()
    with repository(root) as repo:
        if repo is None:
            return found
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
