"""A run of another git revision or of a DVC experiment, without a checkout."""

from pathlib import Path

from pplr.runs.comparison_checks import (
    no_repository,
    nothing_cached,
    revision_without_run,
    unknown_revision,
)
from pplr.settings.tracking import (
    cached_object,
    files_of_output,
    recorded_outputs,
    repository,
)
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
            raise no_repository(root, revision)
        try:
            commit = resolve_rev(repo.scm, revision)
            tree = repo.scm.get_fs(commit)
        except (RevError, UnicodeError, AttributeError):  # of a file's or a folder's revision
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
    for same in (paths.metrics, paths.checked):  # one is in git, the other the same in every run
        recorded.pop(str(same.relative_to(folder)), None)
    missing = [path for path in recorded if not _link(cache, recorded[path], folder, path)]
    if len(missing) == len(recorded):
        raise nothing_cached(revision, cache)
    return missing


def _link(cache: Path, digest: str, folder: Path, output: str) -> bool:
    """Lay out an output by links to objects of the cache; return whether all of it is there.

    What would lie outside the folder is not: a revision may be anybody's.
    """
    files = files_of_output(cache, digest)
    sources = {folder / output / name: cached_object(cache, one) for name, one in files.items()}
    if not sources or not all(source.is_file() for source in sources.values()):
        return False
    if any(not target.is_relative_to(folder) or ".." in target.parts for target in sources):
        return False
    for target, source in sources.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)
    return True
