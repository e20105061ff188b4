"""`pplr inspect`: a run, an alternation, a cluster or an image, on a terminal."""

import json
from pathlib import Path
from typing import Annotated

import typer


def inspect(
    alternation: Annotated[str, typer.Argument(help="An alternation, as 03.")] = "",
    cluster: Annotated[int | None, typer.Option(help="A cluster of it.")] = None,
    image: Annotated[
        str, typer.Option(metavar="ROW|PATH", help="A training image, by row or end of its path.")
    ] = "",
    rev: Annotated[str, typer.Option(help="A git revision or an experiment of DVC's.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Show the run here; or one alternation, one of its clusters, or one training image.

    An image is shown with its neighbours in the last alternation, or in the one that is named.
    """
    from pplr.runs import inspect as facts_of
    from pplr.runs import inspect_words as words
    from pplr.runs import open_run
    from pplr.runs.checks import cluster_of_none, one_at_a_time

    if image and cluster is not None:
        raise one_at_a_time()
    if cluster is not None and not alternation:
        raise cluster_of_none(cluster)
    run = open_run(Path(), revision=rev or None)
    if image:
        facts = facts_of.inspect_image(run, facts_of.find_image(run, image), alternation or None)
        text = words.image_words
    elif cluster is not None:
        facts = facts_of.inspect_cluster(run, alternation, cluster)
        text = words.cluster_words
    elif alternation:
        facts = facts_of.inspect_alternation(run, alternation)
        text = words.alternation_words
    else:
        facts = facts_of.inspect_run(run)
        text = words.run_words
    print(json.dumps(facts, indent=2) if as_json else text(facts))
