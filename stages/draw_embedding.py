"""Draw every feature space by t-SNE."""

from pplr.figures.embedding import draw_embedding
from pplr.runs import open_run
from pplr.storage.replacing import replacing
from stages import settings


def main() -> None:
    """Write data/figures/embedding.png, of the first and of the last alternation."""
    picture = draw_embedding(open_run(settings.PATHS.root))
    with replacing(settings.PATHS.figure("embedding")) as temporary:
        picture.save(temporary)
