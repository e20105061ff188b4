"""The `pplr` command: what DVC's own commands do not do."""

import errno
import io
import sys

import typer

from pplr.cli.compare import compare
from pplr.cli.configure import configure
from pplr.cli.export import export
from pplr.cli.extract import extract
from pplr.cli.history import history
from pplr.cli.inspect import inspect
from pplr.cli.search import search
from pplr.cli.serve import serve
from pplr.cli.verify import verify
from pplr.errors import PplrError, memory_named, worded

app = typer.Typer(
    help="Unsupervised re-identification by part-based pseudo label refinement.\n\n"
    "The pipeline itself is run by `dvc repro`, from the root of the repository.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command()(compare)
app.command()(configure)
app.command()(export)
app.command()(extract)
app.command()(history)
app.command()(inspect)
app.command()(search)
app.command()(serve)
app.command()(verify)


def main() -> None:
    """Run the command; a user's mistake ends in one message and exit code 1."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # as stderr: no name of a file ends the work
        sys.stdout.reconfigure(errors="backslashreplace")
    advice = "end what else runs on it, or name another `--device`, where there is one"
    try:
        with memory_named("this command", next_step=advice):
            app()
    except (PplrError, OSError) as error:
        print(worded(error), file=sys.stderr)
        sys.exit(1)
    except RuntimeError as error:  # pathlib's word for links that lead in a circle
        if "Symlink loop" not in str(error):
            raise
        print(worded(OSError(errno.ELOOP, str(error))), file=sys.stderr)
        sys.exit(1)
