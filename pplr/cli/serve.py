"""`pplr serve`: the run in a browser."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer


def serve(
    run: Annotated[Path, typer.Argument(metavar="[RUN]", help="The folder of a run.")] = Path(),
    rev: Annotated[str, typer.Option(help="A git revision or a DVC experiment of it.")] = "",
    compare: Annotated[
        str, typer.Option(metavar="RUN", help="Another: a folder, or RUN's revision or experiment.")
    ] = "",
    host: Annotated[
        str, typer.Option(help="Where to listen; another than this gives others access.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8060,
) -> None:
    """Show a run in a browser: alternations, clusters, images, queries, and what has changed.

    Nothing is written, and a run in progress moves on by itself. Ctrl-C ends it.
    """
    from pplr.runs import open_run
    from pplr.runs.comparison_checks import alternation_of_page
    from pplr.runs.sides import find_side
    from pplr.serve.checks import check_extra

    check_extra()
    from pplr.serve.app import serve as serve_looks
    from pplr.serve.look import Look

    looks = [Look(open_run(run, revision=rev or None))]
    if compare:
        other, alternation = find_side(compare, run)
        if alternation is not None:
            raise alternation_of_page(compare)
        looks.append(Look(other, root="/other"))
    for number in (signal.SIGTERM, signal.SIGHUP):  # so that a revision's temporary folder goes
        if signal.getsignal(number) == signal.SIG_DFL:  # it is ignored under nohup
            signal.signal(number, lambda got, _: sys.exit(128 + got))
    serve_looks(looks, host=host, port=port, say=lambda address: print(address, flush=True))
