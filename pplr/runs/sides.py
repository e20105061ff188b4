"""The two sides of a comparison, and what is allowed between them, as a user names them."""

from collections.abc import Collection, Sequence
from pathlib import Path

from pplr.errors import MissingInputError
from pplr.runs.compare import (
    MEASURES,
    PIECES,
    Comparison,
    check_same_images,
    compare_alternations,
    compare_runs,
)
from pplr.runs.comparison_checks import (
    alternation_and_run,
    no_tolerance,
    no_tolerances,
    unknown_word,
)
from pplr.runs.run import Run, open_run
from pplr.settings.reading import load_yaml

TOLERANCES = "--tolerance, --tolerances"
_SHORTEST_HASH = 4  # digits that git takes for a commit


def compare_sides(a: str, b: str, only: Collection[str] = PIECES) -> Comparison:
    """Return how far two runs, or two alternations, are apart.

    Parameters
    ----------
    a, b
        `RUN`, `RUN:ALTERNATION`, or `ALTERNATION` of the run in the working folder; `RUN` is a
        folder, a revision of git, or an experiment of DVC's.
    only
        What is compared, of `PIECES`.

    Raises
    ------
    MissingInputError
        A side names nothing that is there.
    SettingError
        One side is an alternation and the other a run.
    DataError
        They are of other images, or an array is damaged.
    """
    (run_a, name_a), (run_b, name_b) = (find_side(text) for text in (a, b))
    if name_a is None and name_b is None:
        return compare_runs(run_a, run_b, only)
    if name_a is None or name_b is None:
        raise alternation_and_run(a, b)
    check_same_images(run_a, run_b)
    return compare_alternations(run_a.alternation(name_a), run_b.alternation(name_b), only)


def find_side(text: str, root: Path = Path()) -> tuple[Run, str | None]:
    """Return the run that a text names, and the alternation if it names one.

    Parameters
    ----------
    text
        As in `compare_sides`.
    root
        The run whose alternation, revision or experiment is meant where the text names no folder.
    """
    if Path(text).is_dir():
        return open_run(text), None
    if _is_alternation(text, root):
        return open_run(root), text
    run, _, name = text.partition(":")
    if not run or Path(run).is_dir():
        return open_run(run or root), name or None
    return open_run(root, revision=run), name or None


def _is_alternation(text: str, root: Path) -> bool:
    if text.isdecimal() and len(text) < _SHORTEST_HASH:
        return True
    try:
        return text in open_run(root).schedule.alternations
    except MissingInputError:  # there is no run
        return False


def read_pieces(text: str) -> tuple[str, ...]:
    """Return the pieces of a list with commas; all where it is empty.

    Raises
    ------
    SettingError
        One is none of `PIECES`.
    """
    pieces = tuple(piece.strip() for piece in text.split(",") if piece.strip())
    for piece in pieces:
        if piece not in PIECES:
            raise unknown_word(piece, PIECES, kind="piece", where="--only")
    return pieces or PIECES


def read_tolerances(file: Path | None, given: Sequence[str]) -> dict[str, float]:
    """Return the tolerances of a YAML file, and those given as `measure=value` above them.

    Raises
    ------
    MissingInputError
        There is no such file.
    SettingError
        A measure is unknown, or a value is no number from 0 on.
    """
    if file is not None and not file.is_file():
        raise no_tolerances(file)
    found = {} if file is None else {str(name): value for name, value in load_yaml(file).items()}
    found |= {name: value for name, _, value in (text.partition("=") for text in given)}
    return {name: _tolerance(name, value) for name, value in found.items()}


def _tolerance(name: str, value: object) -> float:
    if name not in MEASURES:
        raise unknown_word(name, MEASURES, kind="measure", where=TOLERANCES)
    try:
        allowed = float(str(value))
    except ValueError:
        raise no_tolerance(name, value, where=TOLERANCES) from None
    if not allowed >= 0:
        raise no_tolerance(name, value, where=TOLERANCES)
    return allowed
