"""`pplr compare`: how far two runs or alternations are apart."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

SIDE = "A folder, a git revision, a DVC experiment, or an alternation (03, or one of these and :03)"

ONLY = "Some of it, with commas: images, features, clusters, agreement, training, model, "
ONLY += "evaluation, ranking."


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=SIDE)],
    b: Annotated[str, typer.Argument(metavar="B", help=SIDE)] = ".",
    only: Annotated[str, typer.Option(help=ONLY)] = "",
    tolerance: Annotated[
        list[str] | None,
        typer.Option(metavar="MEASURE=VALUE", help="What is allowed of a measure; repeatable."),
    ] = None,
    tolerances: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The same in YAML, measure: value.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Compare two runs, or two alternations, stage by stage.

    Exit code 0: the same, or apart within the tolerances. 1: further apart. 2: something could not
    be compared.
    """
    from pplr.errors import PplrError, worded
    from pplr.runs.compare import beyond
    from pplr.runs.comparison_words import comparison_as_json, format_comparison
    from pplr.runs.sides import compare_sides, read_pieces, read_tolerances

    try:
        allowed = read_tolerances(tolerances, tolerance or [])
        comparison = compare_sides(a, b, read_pieces(only))
    except (PplrError, OSError) as error:
        print(worded(error), file=sys.stderr)
        raise typer.Exit(2) from None
    too_far = beyond(comparison, allowed)
    if as_json:
        print(json.dumps(comparison_as_json(comparison, too_far), indent=2))
    else:
        print(format_comparison(comparison, too_far))
    raise typer.Exit(1 if too_far else 2 if comparison.not_compared else 0)
