"""What the pages are made of: small pictures with words, pages of many, addresses."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pplr.errors import PplrError
from pplr.serve.look import Clustered, Images, Look, Rows

Context = dict[str, Any]
T = TypeVar("T")


class NoSuchPageError(Exception):
    """An address that names nothing that is there."""


def no_such(value: object, *, kind: str, there: Iterable[str] | int = ()) -> NoSuchPageError:
    """Return the error for what is not there; `there` is what is, or how many, counted from 0."""
    known = [f"0 to {there - 1}"] * (there > 0) if isinstance(there, int) else list(there)
    return NoSuchPageError(
        f"No {kind} is {str(value)[:40]}. There is: {', '.join(known) or 'none'}."
    )


@dataclass(frozen=True)
class Thumb:
    """A small picture that leads to a page.

    Parameters
    ----------
    href, src
        Addresses of the page and of the picture.
    alt
        What the picture is, for those who do not see it.
    words
        The lines below it.
    mark
        `right`, `wrong`, `unknown`, `shared` or nothing.
    """

    href: str
    src: str
    alt: str
    words: Sequence[str]
    mark: str = ""


@dataclass(frozen=True)
class Paged:
    """Which page of how many, and the addresses of others."""

    number: int
    count: int
    address: str  # of page 1, to which `page=` is added

    def of(self, number: int) -> str:
        """Return the address of another page."""
        return f"{self.address}{'&' if '?' in self.address else '?'}page={number}"


def paged(rows: Rows, page: int, count: int, address: str) -> tuple[Paged, Rows]:
    """Return the rows of a page."""
    pages = max(1, -(-len(rows) // count))
    if not 1 <= page <= pages:
        raise no_such(page, kind="page", there=[f"1 to {pages}"])
    return Paged(page, pages, address), rows[(page - 1) * count : page * count]


def train_thumbs(
    look: Look,
    rows: Rows,
    name: str,
    clustered: Clustered,
    *,
    labels: NDArray[np.int32] | None = None,
    marks: Sequence[str] = (),
) -> list[Thumb]:
    """Return training images that lead to their pages in an alternation.

    Parameters
    ----------
    look, name
        The run and the alternation.
    rows
        Which images.
    clustered
        The alternation's clusters.
    labels
        (N,) pseudo-labels, of this alternation or another, that stand below the pictures; None
        where the page says them.
    marks
        Of each picture; none by default.
    """
    images, found = look.images("train"), []
    for i, row in enumerate(rows.tolist()):
        words = [camera_words(int(images.camids[row]))]
        if labels is not None:
            words.insert(0, place_words(int(labels[row])))
        mark = marks[i] if marks else ""
        alt = ", ".join([f"image {row}", *words, *([mark] if mark else [])])
        if clustered.agreement is not None:
            words.append(share_words(clustered.agreement[row]))
        href = f"{look.root}/alternation/{name}/image/{row}"
        found.append(Thumb(href, picture_address(look, images, row), alt, words, mark))
    return found


def picture_address(look: Look, images: Images, row: int) -> str:
    """Return the address of a picture, which is another one for other pixels."""
    return f"{look.root}/picture/{images.split}/{row}.png?of={images.version}"


def share_words(values: Iterable[float]) -> str:
    """Return numbers in [0,1] beside each other, as those of an image's parts."""
    return " ".join(f"{value:.2f}" for value in values)


def place_words(label: int) -> str:
    """Return a pseudo-label in words."""
    return "outlier" if label < 0 else f"cluster {label}"


def camera_words(camid: int) -> str:
    """Return a camera in words."""
    return "camera unknown" if camid < 0 else f"camera {camid}"


def readable(read: Callable[[], T]) -> T | None:
    """Return what something beside a page's own says; None where it cannot be read.

    Its damage has its own page.
    """
    try:
        return read()
    except (PplrError, OSError):
        return None


def shares(labels: NDArray[np.int32]) -> list[tuple[int, int]]:
    """Return how often each label is there, most first."""
    found, counts = np.unique(labels, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [(int(found[i]), int(counts[i])) for i in order]
