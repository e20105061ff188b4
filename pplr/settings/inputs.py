"""The inputs of the pipeline, as DVC sees them."""

import os
import subprocess
from pathlib import Path

from pplr.settings.tracking import repository

# What DVC watches of the embedded data set: a dependency can be repeated but not left out.
DEMO_IMAGES = "pplr/datasets/demo"


def as_dependency(path: Path) -> str:
    """Return a path as DVC wants it: absolute unless a copy of the repository would hold it.

    Experiments run in such copies, which have what git or DVC keeps and nothing else: neither what
    lies outside nor what is ignored, as data/raw is until `dvc add data/raw`.
    """
    resolved, root = path.resolve(), Path.cwd().resolve()
    if not resolved.is_relative_to(root) or not _is_kept(resolved, root):
        return str(resolved)
    return str(resolved.relative_to(root))


def _is_kept(path: Path, root: Path) -> bool:
    """Return whether git keeps all that lies at a path, or DVC does by a .dvc file."""
    above = (path, *path.parents)
    by_dvc = (folder.with_name(f"{folder.name}.dvc") for folder in above[: above.index(root)])
    if any(file.is_file() for file in by_dvc):
        return True
    command = ("git", "ls-files", "--others", "--", str(path))
    try:
        others = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):  # no git here: there will be no copies either
        return True
    return not others


def watched_files(folder: Path) -> set[str] | None:
    """Return the files below a folder by whose content DVC notices a change, relative to it.

    None where there is no DVC repository. DVC follows links to files, but none to folders, and
    passes over what a .dvcignore of the repository names.
    """
    from dvc.fs import localfs

    root = str(folder.absolute())
    with repository(Path.cwd()) as repo:
        if repo is None:
            return None
        return {os.path.relpath(path, root) for path in repo.dvcignore.find(localfs, root)}
