"""What readers cannot use, and what is said of it: no stage depends on the words here."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pplr.datasets.files import SUFFIXES
from pplr.datasets.image_checks import NUM_SHOWN, shown
from pplr.errors import DataError, MissingInputError

_NUMBER = "a whole number from 0 to 999999999; empty or -1 where unknown"
_ALLOWED_IN_COLUMN = {
    "path": "below the folder",
    "split": "train | query | gallery",
    "pid": _NUMBER,
    "camid": _NUMBER,
}

# --- folders, lists and tables -------------------------------------------------------------


def no_folder(path: Path) -> str:
    """Return in words that a path is no folder."""
    return "This is a file, and no folder." if path.exists() else "There is no such folder."


def no_images(root: Path) -> MissingInputError:
    """Return the error for a folder without images, or that is not there."""
    return _missing(
        root,
        "There are no images in the folder." if root.is_dir() else no_folder(root),
        allowed=f"a folder of images ({' '.join(sorted(SUFFIXES))}), in folders of its own or not",
        next_step="name the folder of the images",
    )


def unusable_folder(
    folder: Path, form: str, *, archive: Path, folders: Iterable[str], junk: int | None = None
) -> MissingInputError:
    """Return the error for a folder of a layout that is not there, or without images but junk.

    Parameters
    ----------
    folder
        The folder.
    form
        What its images are named.
    archive
        The folder that the published archive unpacks to.
    folders
        The names of all folders of the layout.
    junk
        The identity of junk images where there are only such; None otherwise.
    """
    what = "There is no such folder of images."
    if folder.is_dir():
        kind = "no images" if junk is None else f"only junk images ({junk}_…)"
        what = f"The folder holds {kind}."
    hint = f"give the folder that holds {', '.join(folders)}"
    return _missing(
        folder,
        what,
        allowed=f"a folder of images named {form}",
        next_step=f"did you mean {archive}?" if archive.is_dir() else hint,
    )


def no_image_folder(
    wanted: Path, versions: Sequence[tuple[str, str]], archive: Path | None
) -> MissingInputError:
    """Return the error for a folder of images of MSMT17 that is not there.

    Parameters
    ----------
    wanted
        The folder.
    versions
        The folders of each version.
    archive
        The folder that the published archive unpacks to, where that is there.
    """
    return _missing(
        wanted,
        "There is no such folder of images.",
        allowed=" or ".join(" and ".join(pair) for pair in versions),
        next_step=f"did you mean {archive}?" if archive else "give the folder of the lists",
    )


def no_list(file: Path, names: Iterable[str]) -> MissingInputError:
    """Return the error for a list of images, one of those named, that is not there."""
    return _missing(
        file,
        "A list of images is missing.",
        allowed=", ".join(names),
        next_step="copy it from the archive",
    )


def not_one_table(root: Path, tables: Sequence[Path]) -> MissingInputError:
    """Return the error for a folder without just one table, or that is no folder."""
    if root.is_file():
        return _missing(
            root,
            "This is a file.",
            allowed="the folder of the table, which the paths of the images start from",
            next_step=f"--data-dir {root.parent}",
        )
    names = ": " * bool(tables) + shown([table.name for table in tables])
    found = f"There are {len(tables)} tables in the folder{names}."
    return _missing(
        root,
        found if root.is_dir() else no_folder(root),
        allowed="a folder with one .csv or .parquet file, whose paths start there",
        next_step="give the folder of the table with --data-dir; keep other tables elsewhere",
    )


def absent_of_list(root: Path, absent: Sequence[str], name: str) -> MissingInputError:
    """Return the error for images that a list of MSMT17 names and that are not there."""
    return _missing(
        root / absent[0],
        f"{len(absent)} image(s) of {name} are missing.",
        allowed="every image that the lists name",
        next_step="unpack the archive anew; a list and images of two versions do not fit",
    )


def absent_of_table(root: Path, absent: Sequence[str], name: str) -> MissingInputError:
    """Return the error for images that a table names and that are not there."""
    return _missing(
        root / absent[0],
        f"{len(absent)} image(s) of {name} are missing.",
        allowed="every image that the table names, at its path below the table's folder",
        next_step="mend the paths, or move the table to the folder they start from",
    )


# --- names, lines and cells ----------------------------------------------------------------


def unread_names(folder: Path, names: Sequence[str], form: str) -> DataError:
    """Return the error for names of images that are not of the form."""
    return _unread("file name(s) do not tell identity and camera.", folder, names, form)


def unread_lines(file: Path, lines: Sequence[str], form: str) -> DataError:
    """Return the error for lines of a list that are not of the form."""
    return _unread("line(s) do not tell image, camera and identity.", file, lines, form)


def empty_list(file: Path) -> DataError:
    """Return the error for a list of images without a line."""
    return _none("images are in the list.", file, "a line for each image")


def nothing_to_train_on(file: Path) -> DataError:
    """Return the error for a table without an image of the split train."""
    return _none("images are of the split train.", file, "some images to train on")


def check_column(
    file: Path, name: str, texts: Sequence[str], places: Sequence[str], *, wrong: Sequence[bool]
) -> None:
    """Raise a DataError for the values of a table's column that are wrong, with their places."""
    rows = [
        f"{place}: {text!r}"
        for text, place, is_wrong in zip(texts, places, wrong, strict=True)
        if is_wrong
    ]
    if rows:
        what = f"row(s) have a {name} that cannot be used."
        raise _unread(what, file, rows, _ALLOWED_IN_COLUMN[name])


def unreadable_table(file: Path, error: Exception) -> DataError:
    """Return the error for a file that is no table."""
    return DataError(
        what="The table cannot be read.",
        where=str(file),
        value=" ".join(str(error).split()),
        allowed="a CSV file in UTF-8 with a line of column names, or a Parquet file",
        next_step="write the file anew",
    )


def check_columns(
    file: Path, found: Sequence[str], *, required: Sequence[str], optional: Sequence[str]
) -> None:
    """Raise a DataError unless a table has the columns it must have, and each of them once."""
    absent = [name for name in required if name not in found]
    twice = [name for name in (*required, *optional) if found.count(name) > 1]
    if absent or twice:
        what = f"no column {' and no column '.join(absent)}"
        if not absent:
            what = f"more than one column {' and '.join(twice)}"
        raise DataError(
            what=f"The table has {what}.",
            where=str(file),
            value=shown(found) or "no columns",
            allowed=f"the columns {', '.join(required)} and, if known, {', '.join(optional)}, each "
            "once; in CSV, separated by comma, semicolon or tab",
            next_step="name the columns so",
        )


def check_width(file: Path, line: int, row: Sequence[str], names: Sequence[str]) -> None:
    """Raise a DataError where a line of a table has not a value for each column."""
    if len(row) != len(names):
        raise DataError(
            what="A line of the table has too few or too many values.",
            where=f"{file}, line {line}",
            value=f"{len(row)} values: {shown(row)}",
            allowed=f"{len(names)}, as many as the line of column names has",
            next_step="mend the line; a value that holds the separator stands in quotes",
        )


def _missing(wanted: Path, what: str, *, allowed: str, next_step: str) -> MissingInputError:
    """Return the error for a file or folder that is not there, or not usable; says what is."""
    there = next(path for path in (wanted, *wanted.absolute().parents) if path.is_dir())
    names = sorted(entry.name for entry in there.iterdir())
    held = ", ".join(names[:NUM_SHOWN]) or "nothing"
    more = f", … ({len(names)} in all)" if len(names) > NUM_SHOWN else ""
    return MissingInputError(
        what,
        where=str(wanted),
        value=f"{there} holds {held}{more}",
        allowed=allowed,
        next_step=next_step,
    )


def _none(what: str, where: Path, allowed: str) -> DataError:
    """Return the error for a file that names no images, though it can be read."""
    return DataError(
        what=f"0 {what}",
        where=str(where),
        value="none",
        allowed=allowed,
        next_step="name the images in it",
    )


def _unread(what: str, where: Path, values: Sequence[object], allowed: str) -> DataError:
    """Return the error for rows or names that cannot be understood: how many, the first few."""
    return DataError(
        what=f"{len(values)} {what}",
        where=str(where),
        value=shown(values),
        allowed=allowed,
        next_step="mend or remove these, or choose the data set that is written so",
    )
