"""Draw where the global prediction of an image's cluster looks, by Grad-CAM."""

from pplr.figures.attention import draw_attention
from pplr.runs import open_run
from pplr.storage.replacing import replacing
from stages import settings


def main() -> None:
    """Write data/figures/attention.png, of the models after the first and the last alternation."""
    params = settings.params()
    picture = draw_attention(open_run(settings.PATHS.root), device=params.device)
    with replacing(settings.PATHS.figure("attention")) as temporary:
        picture.save(temporary)
