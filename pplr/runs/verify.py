"""What of a run is damaged on disk, in DVC's cache too, or keeps DVC from going on."""

import contextlib
import json
import re
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pplr.errors import PplrError
from pplr.progress import track
from pplr.settings.schedule import INIT, load_schedule
from pplr.settings.tracking import (
    files_of_output,
    is_sound,
    md5_of,
    recorded_outputs,
    repository,
    sound_beginning,
)
from pplr.storage.checksums import CHECKSUMS, folder_faults
from pplr.storage.json_files import read_json
from pplr.storage.layout import RunPaths
from pplr.storage.replacing import remove, replacing

SECONDS_OF_A_WRITE = 3600  # a temporary file that nobody has written to for so long is left over
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
    with repository(paths.root) as repo:
        cache = Path(repo.cache.local.path) if repo else None
    recorded = {paths.root / path: digest for _, path, digest in recorded_outputs(paths.lock)}
    yield from _damaged_outputs(outputs, recorded, cache)
    yield from _jams(paths)
    if cache is not None:
        yield from _damaged_objects(cache, _made_by_stages(recorded.values(), cache))
        yield from _empty_runs(cache.parents[1] / "runs")


def _damaged_outputs(
    outputs: list[Path], recorded: Mapping[Path, str], cache: Path | None
) -> Iterator[Fault]:
    """Yield the outputs whose bytes are not those that were written.

    What a folder holds, its list says; what a file without a checksum of its own is, dvc.lock.
    """
    for path in track(outputs, total=len(outputs), what="reading outputs"):
        try:
            if path.is_dir():
                listed = files_of_output(cache, recorded.get(path, "")) if cache else {}
                yield from _faults_of_folder(path, listed)
            elif path.parent.parent.name == "results":
                read_json(path)
            elif path in recorded and md5_of(path) != recorded[path]:
                yield Fault(path, "its content is not what dvc.lock records")
        except PplrError as error:
            yield Fault(path, str(error.value))


def _faults_of_folder(path: Path, listed: Collection[str]) -> Iterator[Fault]:
    """Yield one fault of a damaged folder, which cannot be removed where it may hold other files.

    Where its own list is damaged or gone, DVC's says which files are a stage's.
    """
    found = []
    for folder in [path, *sorted(other.parent for other in path.glob(f"*/{CHECKSUMS}"))]:
        try:
            found += list(folder_faults(folder, whole=True))
        except PplrError as error:
            found.append((CHECKSUMS, str(error.value), False))
    if not found:
        return
    others = any(is_extra for _, _, is_extra in found)
    if any(Path(name).name == CHECKSUMS for name, _, _ in found):
        there = (str(file.relative_to(path)) for file in path.rglob("*") if not file.is_dir())
        others = any(file not in listed for file in there)
    name, problem, _ = found[0]
    yield Fault(path, f"{name}: {problem}", removable=not others)


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

    A temporary file that was just written may be that of a DVC in another folder, which shares the
    cache and not the lock, as `dvc exp run --temp` does: it stands in nobody's way, and is left.

    One may go if the pipeline has made it. Others may be the only copy of something of one's own,
    which a link into the cache leads to.
    """
    objects = sorted(path for path in cache.glob("??/*") if path.is_file())
    for path in track(objects, total=len(objects), what="reading DVC's cache"):
        if not _OBJECT.fullmatch(path.name):
            with contextlib.suppress(FileNotFoundError):  # it has got its name meanwhile
                if time.time() - path.stat().st_mtime > SECONDS_OF_A_WRITE:
                    yield Fault(path, "a temporary file, left by a killed DVC")
        elif not is_sound(path):
            is_ours = path.parent.name + path.name in ours
            problem = "its content is not what its name says"
            yield Fault(path, problem if is_ours else f"{problem}; no stage has made it", is_ours)


def _made_by_stages(recorded: Collection[str], cache: Path) -> set[str]:
    """Return the digests of the objects that outputs of these digests consist of."""
    made = set(recorded)
    for digest in recorded:
        made.update(files_of_output(cache, digest).values())
    return made


def _empty_runs(runs: Path) -> Iterator[Fault]:
    """Yield the folders of the record of runs that hold nothing: DVC stops there.

    An empty file alone it removes itself, and the folder that is left then stops it.
    """
    for group in sorted(runs.glob("*")):
        keys = sorted(group.glob("*")) if _holds_anything(group) else [group]
        for folder in keys:
            if folder.is_dir() and not _holds_anything(folder):
                yield Fault(folder, "an empty folder, left by a killed DVC")


def _holds_anything(folder: Path) -> bool:
    return any(path.is_file() and path.stat().st_size for path in folder.rglob("*"))
