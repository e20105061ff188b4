"""The table of all arrays in data/README.md.

Usage: python -m pplr.storage.arrays_table

writes it anew.
"""

from pplr.storage.layout import RunPaths
from pplr.storage.specs import ARRAYS, ArraySpec

_LETTERS = {"image": "N", "row": "H", "column": "W", "channel": "3", "feature": "D", "part": "P"}
_LETTERS |= {"other part": "P", "rank": "depth", "choice": "3", "query": "Q"}


def arrays_table() -> str:
    """Return the table of all arrays in Markdown, a line for each, as data/README.md has it."""
    lines = ["| group | array | shape | type | values | unit | what it is |", "|---" * 7 + "|"]
    paths = RunPaths()
    for spec in ARRAYS.values():
        groups = {"split": paths.split("<split>"), "ranking": paths.ranking("<x>")}
        group = groups.get(spec.group, paths.arrays("<e>", spec.group))
        letters = [_LETTERS[name] for name in spec.dimensions]
        shape = f"({','.join(letters)}{',' if len(letters) == 1 else ''})"
        cells = (f"`{group.relative_to(paths.data)}`", f"`{spec.name}`", shape)
        types = (" or ".join(spec.dtypes), _values(spec), spec.unit, spec.description)
        lines.append(f"| {' | '.join((*cells, *types))} |")
    return "\n".join(lines) + "\n"


def _values(spec: ArraySpec) -> str:
    """Return the range of an array in words."""
    if spec.lowest is None:
        return ""
    highest = "N-1" if spec.unit == "row" else "" if spec.highest is None else spec.highest
    return f"{0 if spec.unknown else spec.lowest}…{highest}" + (
        f"; -1: {spec.unknown}" if spec.unknown else ""
    )


def with_arrays_table(text: str) -> str:
    """Return the text of data/README.md with the table of arrays as it is now."""
    lines = text.splitlines(keepends=True)
    rows = [i for i, line in enumerate(lines) if line.startswith("| `") and line.count("|") == 8]
    return "".join((*lines[: rows[0] - 2], arrays_table(), *lines[rows[-1] + 1 :]))


if __name__ == "__main__":
    readme = RunPaths().data / "README.md"
    readme.write_text(with_arrays_table(readme.read_text()))
