"""`pplr extract`: the features of a folder's images."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from pplr.cli.options import Device, Model, SkipBroken


def extract(
    folder: Annotated[Path, typer.Argument(help="The images, in folders of its own or not.")],
    model: Model = "",
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write.")] = Path(
        "features.zarr"
    ),
    parts: Annotated[bool, typer.Option("--parts", help="Write part features, too.")] = False,  # noqa: FBT002
    skip_broken: SkipBroken = False,  # noqa: FBT002
    force: Annotated[  # noqa: FBT002
        bool, typer.Option("--force", help="Replace features that were written there before.")
    ] = False,
    device: Device = "cpu",
) -> None:
    """Write a model's features of the images in a folder, with their paths, as Zarr."""
    from pplr.inference.checks import check_output
    from pplr.inference.features import MARKS, write_features
    from pplr.inference.images import FolderFeatures
    from pplr.inference.models import open_model

    check_output(output, marks=MARKS, force=force)  # before the work
    finished = open_model(model, device=device)
    found = FolderFeatures(finished, folder, skip_broken=skip_broken)
    N, D = write_features(output, found, parts=parts, force=force)
    print(f"{output}: features of {N} images, {D} each, by model {finished.name}")
    words = ["--model", model or finished.name, "--gallery", str(output)]
    print(f"next: pplr search {shlex.join(words)} --query IMAGE")
