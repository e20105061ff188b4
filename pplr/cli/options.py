"""Options that several commands have."""

from typing import Annotated

import typer

Model = Annotated[
    str,
    typer.Option(
        metavar="NAME|FOLDER",
        help="A model of the run here, as 05, or a model's folder.",
        show_default="the last one there is",
    ),
]
Device = Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")]
SkipBroken = Annotated[
    bool, typer.Option("--skip-broken", help="Leave out images that cannot be decoded.")
]
