"""`pplr export`: a model in one file that needs no PPLR."""

from pathlib import Path
from typing import Annotated

import typer

from pplr.cli.options import Model


def export(
    model: Model = "",
    form: Annotated[str, typer.Option("--format", help="onnx or torch (torch.export).")] = "onnx",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder to write.", show_default="exported/NAME-FORMAT"
        ),
    ] = None,
    force: Annotated[  # noqa: FBT002
        bool, typer.Option("--force", help="Replace what was exported there before.")
    ] = False,
) -> None:
    """Write a model with its preprocessing and a model card, and check it against the original."""
    from pplr.inference.checks import check_format
    from pplr.inference.export import FORMATS, export_model
    from pplr.inference.models import open_model

    check_format(form, FORMATS)
    finished = open_model(model)
    folder = output or Path("exported", f"{finished.name}-{form}")
    file, check = export_model(finished, folder, form, force=force)
    images = f"{check.num_images} {'training images' if check.are_real else 'images of noise'}"
    print(f"{file}: model {finished.name}, with its preprocessing")
    print(f"  differs from the original by {check.difference:.1e} at most, on {images}")
    print(f"next: read {folder / 'MODEL_CARD.md'}, which has ten lines of Python that use it")
