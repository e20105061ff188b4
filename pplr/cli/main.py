"""The `pplr` command: what DVC's own commands do not do."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pplr.errors import MissingInputError, PplrError, worded

app = typer.Typer(
    help="Unsupervised re-identification by part-based pseudo label refinement.\n\n"
    "The pipeline itself is run by `dvc repro`, from the root of the repository.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

HISTORY = Path("data/history.csv")


@app.command()
def configure(
    dataset: Annotated[
        str, typer.Argument(help="market1501, msmt17, veri776, table, folder, demo.")
    ],
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the images (table: with one CSV or Parquet file); the demo has none."
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Number of alternations.")] = None,
    cameras: Annotated[  # noqa: FBT002
        bool, typer.Option("--cameras/--no-cameras", help="Let training see the cameras (Eq. 4).")
    ] = False,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting; repeatable.")
    ] = None,
    dry_run: Annotated[  # noqa: FBT002
        bool, typer.Option("--dry-run", help="Show what would change, and write nothing.")
    ] = False,
) -> None:
    """Write params.yaml and schedule.yaml for a data set, with the paper's settings."""
    from pplr.checks import check_cameras
    from pplr.datasets import read_dataset
    from pplr.datasets.remarks import format_counts, remarks
    from pplr.settings.checks import check_inputs
    from pplr.settings.configure import changed_values, make_settings, replace_settings

    _check_repository()
    settings = make_settings(
        dataset, data_dir, epochs=epochs, cameras=cameras, overrides=overrides or []
    )
    tables = read_dataset(settings.params, Path(settings.schedule.inputs["images"]))
    check_inputs(settings.params, settings.schedule)
    if settings.params.camera_aware:
        check_cameras(tables["train"].camids)
    print(format_counts(tables))
    for line in remarks(dataset, tables):
        print(f"warning: {line}", file=sys.stderr)
    changes = changed_values(settings) if dry_run else replace_settings(settings)
    print(f"params.yaml and schedule.yaml: {dataset}, {len(settings.schedule.alternations)} epochs")
    for change in changes:
        print(f"  {change}")
    print("nothing is written: --dry-run" if dry_run else "next: dvc repro")


@app.command()
def history() -> None:
    """Print the history of the last run as a table, and where its files lie."""
    from pplr.runs.history import format_history
    from pplr.settings.configure import PARAMS
    from pplr.settings.params import load_params
    from pplr.settings.presets import DEMO_WEIGHTS

    if not HISTORY.is_file():
        raise MissingInputError(
            what="There is no history yet.",
            where=str(HISTORY),
            value="no such file",
            allowed="the table that the last stage of the pipeline writes",
            next_step="run `dvc repro`",
        )
    print(format_history(HISTORY))
    print(WHERE)
    if load_params(PARAMS).weights == DEMO_WEIGHTS:
        print(STAND_IN)


WHERE = """
Rand index: pseudo-labels against the true identities, which training never sees; for looking only.

  data/history.csv                       this table, with losses and learning rates
  metrics.json                           mAP and ranks of the last alternation
  data/alternations/<e>/features.zarr    global and part features
  data/alternations/<e>/clusters.zarr    pseudo-labels and ranked lists
  data/alternations/<e>/agreement.zarr   cross agreement of each image and part
  data/models/<e>                        the model after alternation e
  data/timing                            seconds of each stage"""


STAND_IN = """
The demo's people are generated. Its start, init, is a stand-in for ImageNet weights: a small
network trained by demo/train_backbone.py to name clothes and bags on other generated people."""


def main() -> None:
    """Run the command; a user's mistake ends in one message and exit code 1."""
    try:
        app()
    except (PplrError, OSError) as error:
        print(worded(error), file=sys.stderr)
        sys.exit(1)


def _check_repository() -> None:
    if not Path("dvc.yaml").is_file():
        raise MissingInputError(
            what="This is not the root of the repository.",
            where=str(Path.cwd()),
            value="no dvc.yaml",
            allowed="the folder of the pipeline, dvc.yaml",
            next_step="change to the root of the repository",
        )
