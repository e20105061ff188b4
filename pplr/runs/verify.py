"""What of a run is damaged on disk, in DVC's cache too, or keeps DVC from going on."""

import contextlib
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pplr.errors import PplrError
from pplr.progress import track
from pplr.runs.checks import dvc_is_running
from pplr.settings.schedule import INIT, load_schedule
from pplr.settings.tracking import (
    files_of_output,
    is_sound,
    recorded_outputs,
    repository,
    sound_beginning,
)
from pplr.storage.checksums import CHECKSUMS, folder_faults
from pplr.storage.json_files import read_json
from pplr.storage.layout import RunPaths
from pplr.storage.replacing import remove, replacing

_OBJECT = re.compile(r"[0-9a-f]{30}(\.dir)?")  # the rest of an MD5, in a folder of its first two


@dataclass(frozen=True)
class Fault:
    """Something on disk that is not as it was written.

    Parameters
    ----------
    path
        The output, the object of the cache or the file of DVC's.
    problem
        What is wrong with it.
    removable
        Whether nothing is lost by its removal, so that `dvc repro` goes on.
    kept
        The beginning of a text that is sound and stays; empty where nothing does.
    """

    path: Path
    problem: str
    removable: bool = True
    kept: str = ""

    def heal(self) -> None:
        """Remove what is damaged."""
        if not self.kept:
            remove(self.path)
            return
        with replacing(self.path) as temporary:
            temporary.write_text(self.kept, encoding="utf-8")


def find_faults(paths: RunPaths) -> Iterator[Fault]:
    """Yield what is damaged: outputs in data/, objects of DVC's cache, files that stop DVC.

    Everything is read, which is a few seconds a gigabyte.
    """
    names = (INIT, *load_schedule(paths.schedule).alternations)
    outputs = [path for path in paths.outputs(names) if path.exists() and path != paths.timings]
    yield from _damaged_outputs(outputs)
    yield from _jams(paths)
    with repository(paths.root) as repo:
        cache = Path(repo.cache.local.path) if repo else None
    if cache is not None:
        yield from _damaged_objects(cache, _made_by_stages(paths.lock, cache))
        yield from _empty_runs(cache.parents[1] / "runs")


@contextlib.contextmanager
def no_other_dvc(root: Path) -> Iterator[None]:
    """Hold DVC's lock, so that nothing is removed which a DVC that runs is writing.

    Raises
    ------
    DataError
        Another DVC holds it, or runs a stage.
    """
    from dvc.lock import LockError

    with repository(root) as repo:
        try:
            with repo.lock if repo else contextlib.nullcontext():
                if repo and _runs_a_stage(Path(repo.tmp_dir)):
                    raise dvc_is_running(root)
                yield
        except LockError:
            raise dvc_is_running(root) from None


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


def _damaged_outputs(outputs: list[Path]) -> Iterator[Fault]:
    """Yield the outputs whose bytes are not those that were written."""
    for path in track(outputs, total=len(outputs), what="reading outputs"):
        try:
            if path.is_dir():
                yield from _faults_of_folder(path)
            elif path.parent.parent.name == "results":
                read_json(path)
        except PplrError as error:
            yield Fault(path, str(error.value))


def _faults_of_folder(path: Path) -> Iterator[Fault]:
    """Yield one fault of a damaged folder, which cannot be removed where it holds other files."""
    folders = [path, *sorted(other.parent for other in path.glob(f"*/{CHECKSUMS}"))]
    found = [fault for folder in folders for fault in folder_faults(folder, whole=True)]
    if found:
        name, problem, _ = found[0]
        yield Fault(path, f"{name}: {problem}", not any(is_extra for _, _, is_extra in found))


def _jams(paths: RunPaths) -> Iterator[Fault]:
    """Yield the files of a killed DVC that the next one cannot read."""
    lock = paths.lock
    if lock.is_file():
        text = lock.read_bytes().decode(errors="replace")
        sound = sound_beginning(text)
        if sound is None:
            yield Fault(lock, "DVC cannot read it; git has an older one", removable=False)
        elif not sound or sound != text:
            yield Fault(lock, "its end is missing, cut off by a kill of DVC", kept=sound)
    locks = paths.root / ".dvc" / "tmp" / "rwlock"
    if locks.is_file():
        try:
            json.loads(locks.read_bytes())
        except ValueError:
            yield Fault(locks, "no JSON, left by a killed DVC")


def _damaged_objects(cache: Path, ours: Collection[str]) -> Iterator[Fault]:
    """Yield the objects whose content has not the MD5 that is their name.

    One may go if the pipeline has made it. Others may be the only copy of something of one's own,
    which a link into the cache leads to.
    """
    objects = sorted(path for path in cache.glob("??/*") if path.is_file())
    for path in track(objects, total=len(objects), what="reading DVC's cache"):
        if not _OBJECT.fullmatch(path.name):
            yield Fault(path, "a temporary file, left by a killed DVC")
        elif not is_sound(path):
            is_ours = path.parent.name + path.name in ours
            problem = "its content is not what its name says"
            yield Fault(path, problem if is_ours else f"{problem}; no stage has made it", is_ours)


def _made_by_stages(lock: Path, cache: Path) -> set[str]:
    """Return the digests of the objects that outputs in dvc.lock consist of."""
    made = {digest for _, _, digest in recorded_outputs(lock)}
    for digest in list(made):
        made.update(files_of_output(cache, digest).values())
    return made


def _empty_runs(runs: Path) -> Iterator[Fault]:
    """Yield what of the record of runs is empty: DVC stops there with an error of Python's."""
    for path in sorted(runs.rglob("*")):
        if path.is_dir() and not any(path.iterdir()):
            yield Fault(path, "an empty folder, left by a killed DVC")
        elif path.is_file() and path.stat().st_size == 0:
            yield Fault(path, "an empty file, left by a killed DVC")
