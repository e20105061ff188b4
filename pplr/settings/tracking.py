"""What DVC knows of the working tree: its repository, its lock, and the objects of its cache."""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pplr.errors import SettingError

# Of a stage's entry in dvc.lock, as DVC writes it: most of the file, and slow to parse.
_HEADER = "schema: '2.0'\nstages:\n"  # how it begins
_INPUTS = re.compile(r"^    (?:deps|params):\n(?:    [- ].*\n)+", re.MULTILINE)


@contextlib.contextmanager
def repository(root: Path) -> Iterator[Any | None]:
    """Give DVC's repository whose root is a folder; None where there is none."""
    from dvc.exceptions import (  # half a second that most commands need not wait
        DvcException,
        NotDvcRepoError,
    )
    from dvc.repo import Repo

    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(Repo(str(root)))
        except NotDvcRepoError:
            found = None
        except (DvcException, ValueError) as error:  # no git, or a file of settings that is none
            raise _unusable(root, error) from None
        yield found


def _unusable(root: Path, error: Exception) -> SettingError:
    """Return the error for a repository that DVC cannot open."""
    return SettingError(
        what="DVC cannot open this repository.",
        where=str(root.absolute()),
        value=str(error),
        allowed="a repository of git and DVC, whose .dvc/config and .git/config can be read",
        next_step="mend that file; without git: `git init`, or `dvc config core.no_scm true`",
    )


@contextlib.contextmanager
def no_other_dvc(root: Path) -> Iterator[None]:
    """Hold DVC's lock, so that nothing is removed which a DVC that runs is writing.

    Raises
    ------
    SettingError
        Another DVC holds it, or runs a stage.
    """
    from dvc.lock import LockError

    with repository(root) as repo:
        try:
            with repo.lock if repo else contextlib.nullcontext():
                if repo and _runs_a_stage(Path(repo.tmp_dir)):
                    raise _busy(root)
                yield
        except LockError:
            raise _busy(root) from None


def _runs_a_stage(folder: Path) -> bool:
    """Return whether a DVC that lives has noted in its folder what its stage reads and writes.

    It lets its lock go while a stage runs.
    """
    try:
        noted = re.findall(r'"pid": (\d+)', (folder / "rwlock").read_text())
    except (OSError, UnicodeDecodeError):
        return False
    for pid in set(noted):
        with contextlib.suppress(OSError):  # it has ended
            if b"dvc" in Path("/proc", pid, "cmdline").read_bytes():
                return True
    return False


def _busy(root: Path) -> SettingError:
    """Return the error for removing files while another DVC works in the same repository."""
    return SettingError(
        what="Another DVC is running in this repository.",
        where=str(root.absolute()),
        value="its lock is held, or a stage of it runs",
        allowed="removing what it may read or write only while it does not run",
        next_step="wait until it has ended, and run this command again",
    )


def recorded_outputs(lock: Path) -> list[tuple[str, str, str]]:
    """Return stage, path and digest of every output that a dvc.lock records.

    Without a digest it is empty. A lock that is not there, or is none, records nothing: DVC itself
    says so.
    """
    from dvc.exceptions import DvcException
    from dvc.utils.serialize import parse_yaml

    try:
        text = lock.read_text(encoding="utf-8") if lock.is_file() else ""
        content = parse_yaml(_INPUTS.sub("", text), lock)
    except (DvcException, UnicodeDecodeError):
        return []
    stages = content.get("stages") if isinstance(content, dict) else None
    entries = stages.items() if isinstance(stages, dict) else ()
    return [
        (str(stage), str(out["path"]), str(out.get("md5", "")))
        for stage, entry in entries
        for out in (entry.get("outs") if isinstance(entry, dict) else None) or ()
        if isinstance(out, dict) and "path" in out
    ]


def sound_beginning(lock: str) -> str | None:
    """Return what DVC can read of a dvc.lock: all of it, or the stages before the one it is cut in.

    DVC writes the file in place, so that a kill leaves its beginning. Empty where no stage is
    whole; None where the file is not merely cut, for then it is somebody's to mend.
    """
    if _is_lock(lock):
        return lock
    if _HEADER.startswith(lock):
        return ""
    starts = [found.start() for found in re.finditer(r"^  \S", lock, re.MULTILINE)]
    whole, rest = (lock[: starts[-1]], lock[starts[-1] :]) if starts else ("", lock)
    if re.search(r"^\S", rest, re.MULTILINE):
        return None
    if whole == _HEADER:
        return ""
    return whole if _is_lock(whole) else None


def _is_lock(text: str) -> bool:
    """Return whether DVC can read a dvc.lock."""
    from dvc.dvcfile import Lockfile
    from dvc.exceptions import DvcException
    from dvc.utils.serialize import parse_yaml

    if not text.strip():  # it passes as one, and stops DVC
        return False
    try:
        Lockfile.validate(parse_yaml(text, "dvc.lock"))
    except DvcException:
        return False
    return True


def is_sound(cached: Path) -> bool:
    """Return whether an object of DVC's cache is there and has the MD5 that is its name.

    DVC itself trusts an object that is read-only.
    """
    name = cached.parent.name + cached.name.removesuffix(".dir")
    return cached.is_file() and md5_of(cached) == name


def md5_of(path: Path) -> str:
    """Return the MD5 of a file, by which DVC knows it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def cached_object(cache: Path, digest: str) -> Path:
    """Return where DVC's cache keeps an object."""
    return cache / digest[:2] / digest[2:]


def files_of_output(cache: Path, digest: str) -> dict[str, str]:
    """Return the digest of each file of an output by its path below it, empty for a single file.

    None of a folder whose list is not in the cache, or is damaged there.
    """
    if not digest.endswith(".dir"):
        return {"": digest}
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        listed = json.loads(cached_object(cache, digest).read_bytes())
        return {entry["relpath"]: entry["md5"] for entry in listed}
    return {}
