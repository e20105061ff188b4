"""`pplr configure`: the settings of a data set."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pplr.settings.params import Params
    from pplr.settings.schedule import Schedule


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
    epochs: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Number of alternations.")
    ] = None,
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
    from pplr.runs.checks import check_root
    from pplr.settings.changes import apply_changes, find_changes
    from pplr.settings.checks import check_inputs, check_watched
    from pplr.settings.configure import make_settings
    from pplr.settings.groups import DemoSettings, ImageSettings
    from pplr.storage.layout import RunPaths
    from pplr.storage.replacing import locked

    check_root(Path())
    settings = make_settings(
        dataset, data_dir, epochs=epochs, cameras=cameras, overrides=overrides or []
    )
    params = settings.params
    images = Path(settings.schedule.inputs["images"])
    tables = read_dataset(params.select(ImageSettings), params.select(DemoSettings), images)
    check_inputs(params, settings.schedule)
    if data_dir is not None:
        check_watched(images, [path for table in tables.values() for path in table.paths])
    if params.camera_aware:
        check_cameras(tables["train"].camids)
    print(format_counts(tables))
    for line in remarks(dataset, tables):
        print(f"warning: {line}", file=sys.stderr)
    counts = {name: len(table) for name, table in tables.items()}
    _tell_of_disk(params, settings.schedule, counts)
    words = f"{dataset}, {len(settings.schedule.alternations)} epochs"
    with locked(RunPaths().pipeline):  # two at once would leave one's params.yaml, other's schedule
        changes = find_changes(settings)
        print(f"params.yaml and schedule.yaml: {words}")
        for line in changes.lines:
            print(f"  {line}", flush=True)  # before it is done
        if not dry_run:
            apply_changes(changes)
    print("nothing is written: --dry-run" if dry_run else "next: dvc repro")


def _tell_of_disk(params: "Params", schedule: "Schedule", counts: Mapping[str, int]) -> None:
    """Print what a run will need on the disk, and warn where it is not free."""
    from pplr.settings.disk import disk_warnings, estimate_disk, format_disk
    from pplr.storage.layout import RunPaths
    from pplr.storage.room import free_room

    estimate = estimate_disk(params, schedule, counts)
    print(format_disk(estimate))
    for line in disk_warnings(estimate, free_room(RunPaths().dataset)):
        print(f"warning: {line}", file=sys.stderr)
