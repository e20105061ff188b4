"""`pplr search`: the images of a gallery that are nearest to an image."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pplr.cli.options import Device, Model, SkipBroken


def search(
    query: Annotated[list[Path], typer.Option("--query", help="An image; repeatable.")],
    gallery: Annotated[
        Path, typer.Option(help="A folder of images, or what `pplr extract` wrote of one.")
    ],
    model: Model = "",
    k: Annotated[int, typer.Option("--k", min=1, help="How many of the nearest.")] = 10,
    max_distance: Annotated[
        float | None, typer.Option(help="Leave out what is farther, from 0 to 2.")
    ] = None,
    draw: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw a picture of them, too.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,  # noqa: FBT002
    skip_broken: SkipBroken = False,  # noqa: FBT002
    device: Device = "cpu",
) -> None:
    """Print the images of a gallery that are nearest to an image, with their distances."""
    from pplr.inference.checks import check_file, check_picture

    if max_distance is not None and not 0 <= max_distance <= 2:  # NaN, too
        problem = f"{max_distance} is not from 0 to 2."
        raise typer.BadParameter(problem, param_hint="--max-distance")
    for path in query:  # before torch is loaded
        check_file(path)
    if draw is not None:
        check_picture(draw)
    from pplr.inference import search as searching
    from pplr.inference import search_words as words
    from pplr.inference.models import open_model

    finished = open_model(model, device=device)
    queries = searching.read_queries(finished, query)
    images = searching.open_gallery(finished, gallery, skip_broken=skip_broken)
    answers = searching.search(finished, queries, images, k=k, max_distance=max_distance)
    if as_json:
        print(json.dumps(words.answers_as_json(finished, answers, images, where=gallery), indent=2))
    else:
        print("\n\n".join(words.answer_words(answer, images) for answer in answers))
        print(f"\n{words.DISTANCE}")
    if draw is not None:
        from pplr.inference.sheet import draw_sheet, write_sheet

        write_sheet(draw, draw_sheet(answers, images, finished.size))
