"""What lies in a folder that a stage has written, by size and checksum, so that damage is noticed.

DVC knows a file by its time and size and does not look again; what has rotted since is noticed
where it is read.
"""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from pplr.storage.checks import damaged

CHECKSUMS = "checksums.json"

_COMPARED = (".json", ".md")  # in any case
_BLOCK = 2**24


def write_checksums(folder: Path) -> None:
    """Write the list of all files below a folder, a folder with a list of its own as one file."""
    listed = {
        str(path.relative_to(folder)): [path.stat().st_size, file_checksum(path)]
        for path in files_of(folder)
    }
    (folder / CHECKSUMS).write_text(json.dumps(listed, indent=1) + "\n")


def check_folder(folder: Path, *, whole: bool = False) -> None:
    """Raise a DataError unless the files below a folder are those of its list.

    All must be there with their size, and no others. The content is compared of the descriptions
    of groups and arrays, which have no checksum of their own, and of text that a user may have
    edited; of all files with `whole`.

    Raises
    ------
    DataError
        A file is missing, of another size or content, or should not be there.
    """
    for name, problem, _ in folder_faults(folder, whole=whole):
        raise damaged(name, folder, problem)


def folder_faults(folder: Path, *, whole: bool) -> Iterator[tuple[str, str, bool]]:
    """Yield what of a folder is not as its list says: its name, the problem, and if it is extra.

    Parameters are those of `check_folder`.
    """
    listed = read_checksums(folder)
    there = {str(path.relative_to(folder)) for path in files_of(folder)}
    unlisted = tuple(  # folders whose own list is gone: nobody knows what belongs there
        name.removesuffix(CHECKSUMS)
        for name in listed.keys() - there
        if name.endswith(f"/{CHECKSUMS}")
    )
    for name in sorted(listed.keys() | there):
        if name not in listed:
            if not name.startswith(unlisted):
                yield name, "no stage has written this file", True
            continue
        if name not in there:
            yield name, "the file is missing", False
            continue
        size, checksum = listed[name]
        found = (folder / name).stat().st_size
        if found != size:
            yield name, f"{found} bytes instead of {size}", False
        elif (whole or name.endswith(_COMPARED)) and file_checksum(folder / name) != checksum:
            yield name, "its content is not what was written", False


def read_checksums(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and checksum of each file of a folder, by its path below it."""
    file = folder / CHECKSUMS
    try:
        listed = json.loads(file.read_bytes())
        return {str(name): (int(size), int(checksum)) for name, (size, checksum) in listed.items()}
    except FileNotFoundError:
        raise damaged(CHECKSUMS, folder, "the file is missing") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise damaged(CHECKSUMS, folder, error) from None


def files_of(folder: Path) -> list[Path]:
    """Return the files that the list of a folder names, sorted."""
    files: list[Path] = []
    for path in folder.iterdir():
        if path.is_dir():
            own = path / CHECKSUMS
            files += [own] if own.is_file() else files_of(path)
        elif path.name != CHECKSUMS:
            files.append(path)
    return sorted(files)


def file_checksum(path: Path) -> int:
    """Return the CRC-32 of a file: it finds what has rotted, at twice the speed of a SHA-256."""
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            checksum = zlib.crc32(block, checksum)
    return checksum
