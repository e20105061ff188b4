"""The page: addresses, headers, errors, and the server."""

import contextlib
import re
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from pplr.errors import MissingInputError, PplrError, worded
from pplr.printing import printable
from pplr.serve import comparing, pages, pictures, queries
from pplr.serve.checks import cannot_listen, unexpected
from pplr.serve.guard import Guarded
from pplr.serve.look import Look
from pplr.serve.pieces import Context, NoSuchPageError, no_such, readable, share_words
from pplr.storage.layout import SPLITS

STATIC = Path(__file__).parent / "static"
FOREVER = "private, max-age=31536000, immutable"  # such an address names what the split holds


def make_app(looks: Sequence[Look], *, host: str) -> ASGIApp:
    """Return the application.

    Parameters
    ----------
    looks
        The run, and the one that is compared with it if there is one, at the root `/other`.
    host
        Where it is served: a request for another host is refused.
    """
    site = Site(looks)
    routes: list[Route | Mount] = [
        Route("/static/{name}", _static, name="static"),
        Route("/compare", site.compare),
    ]
    for look in reversed(looks):
        own = site.routes(look)
        routes += [Mount(look.root, routes=own)] if look.root else own
    errors = (NoSuchPageError, HTTPException, PplrError, OSError, Exception)
    handlers: dict[Any, Any] = dict.fromkeys(errors, site.problem)
    return Guarded(Starlette(routes=routes, exception_handlers=handlers), host=host)


class Site:
    """The pages of one run or two; each is a function of the address alone."""

    def __init__(self, looks: Sequence[Look]):
        self.looks = looks
        self.templates = Environment(
            loader=PackageLoader("pplr.serve"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.templates.filters |= {"printable": printable, "shares": share_words}

    def routes(self, look: Look) -> list[Route]:
        """Return the addresses of a run."""
        alternation, clusters = "/alternation/{name}", {"order": "largest", "page": "1"}
        worst, first = {"order": "worst", "page": "1"}, {"page": "1"}
        listed: list[tuple[str, str, Callable[..., Context], dict[str, str]]] = [
            ("/", "run", pages.run_page, {}),
            (alternation, "alternation", pages.alternation_page, clusters),
            (f"{alternation}/outliers", "outliers", pages.outliers_page, first),
            (f"{alternation}/cluster/{{cluster}}", "cluster", pages.cluster_page, first),
            (f"{alternation}/image/{{row}}", "image", pages.image_page, {}),
            ("/queries/{model}", "queries", queries.queries_page, worst),
            ("/query/{model}/{row}", "query", queries.query_page, {}),
        ]
        made = [
            Route(path, self._answer(look, template, page, defaults))
            for path, template, page, defaults in listed
        ]
        return [
            *made,
            Route("/progress", lambda _: _plain(pages.progress(look))),
            Route("/picture/{split}/{row}.png", lambda request: _picture(look, request)),
            Route("/masked/{name}/{row}.png", lambda request: _masked(look, request)),
        ]

    def compare(self, request: Request) -> Response:
        """Return the page of a comparison."""
        sides = [request.query_params.get(side, "") for side in ("a", "b")]
        return self._render("compare", self.looks[0], comparing.compare_page(self.looks, *sides))

    def problem(self, request: Request, error: Exception) -> Response:
        """Return what is wrong as a page: no such address, or what cannot be read."""
        path = request.scope["path"]
        there = (one for one in reversed(self.looks) if path.startswith(f"{one.root}/"))
        look = next(there, self.looks[0])  # a proxy's request names no path
        status, title, words = _worded(error)
        words = "\n".join(map(printable, words.split("\n")))
        context = {"title": title, "words": words}
        if path == f"{look.root}/":  # it moves on once it can be read
            context["progress"] = "unreadable"
        answer = self._render("problem", look, context, status=status)
        answer.headers.update(getattr(error, "headers", None) or {})
        return answer

    def _answer(
        self,
        look: Look,
        template: str,
        page: Callable[..., Context],
        defaults: dict[str, str],
    ) -> Callable[[Request], Response]:
        """Return how a page is answered: its function of the address, laid out."""

        def answer(request: Request) -> Response:
            given = {name: request.query_params.get(name, at) for name, at in defaults.items()}
            parts = {**request.path_params, **given}
            values = {name: whole(v) if name in NUMBERS else v for name, v in parts.items()}
            return self._render(template, look, page(look, **values))

        return answer

    def _render(
        self, template: str, look: Look, context: Context, *, status: int = 200
    ) -> HTMLResponse:
        common = {
            "look": look,
            "root": look.root,
            "other": self.looks[1] if len(self.looks) > 1 else None,
            "home": self.looks[0],
            **_navigation(look),
        }
        page = self.templates.get_template(f"{template}.html")
        return HTMLResponse(page.render(**common, **context), status)


def _worded(error: Exception) -> tuple[int, str, str]:
    """Return the status, the title and the words of what is wrong."""
    if isinstance(error, NoSuchPageError):
        return 404, "There is no such page", str(error)
    if isinstance(error, HTTPException):
        not_found = error.status_code == 404
        words = (
            "This address names nothing here." if not_found else "Only GET and HEAD are answered."
        )
        return error.status_code, error.detail, words
    if not isinstance(error, PplrError | OSError):  # the server's log has its traceback
        return 500, "This cannot be shown", str(unexpected(error))
    missing = isinstance(error, MissingInputError)
    return (
        404 if missing else 500,
        "Not there" if missing else "This cannot be read",
        str(worded(error)),
    )


def _navigation(look: Look) -> Context:
    """Return what the head of each page leads to; nothing where the schedule cannot be read."""
    return {
        "alternations": readable(lambda: look.run.alternations) or (),
        "ranked": readable(lambda: queries.ranked_models(look)) or [],
    }


NUMBERS = ("page", "row", "cluster")


def whole(text: str) -> int:
    """Return a number of an address, of nine digits at most."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise no_such(text, kind="number", there=["a whole number from 0"])
    return int(text)


def serve(looks: Sequence[Look], *, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve until it is interrupted.

    Parameters
    ----------
    looks
        As of `make_app`.
    host, port
        Where to listen; port 0 is any that is free.
    say
        Told the address once it is listened on.

    Raises
    ------
    DataError
        It cannot be listened on.
    """
    import uvicorn

    if not host:  # the system would listen on every address
        raise cannot_listen(host, port, "no address")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
            listening.listen()
        except (OSError, UnicodeError, TypeError) as error:  # no name, or one of no address
            raise cannot_listen(host, port, error) from None
        shown = f"[{host}]" if ":" in host else host
        say(f"http://{shown}:{listening.getsockname()[1]}/")
        settings = uvicorn.Config(
            make_app(looks, host=host), log_level="warning", server_header=False, lifespan="off"
        )
        with contextlib.suppress(KeyboardInterrupt):  # that is how it is ended
            uvicorn.Server(settings).run(sockets=[listening])


# --- files and pictures --------------------------------------------------------------------


def _static(request: Request) -> Response:
    name, there = request.path_params["name"], sorted(file.name for file in STATIC.iterdir())
    if name not in there:
        raise no_such(name, kind="file", there=there)
    return FileResponse(STATIC / name, headers={"cache-control": "no-cache"})


def _picture(look: Look, request: Request) -> Response:
    split, row = request.path_params["split"], whole(request.path_params["row"])
    if split not in SPLITS:
        raise no_such(split, kind="split", there=SPLITS)
    images = look.images(split)
    if row >= len(images):
        raise no_such(row, kind=f"{split} image", there=len(images))
    is_named = request.query_params.get("of") == images.version
    content = pictures.picture(look, split, images.version, row)
    return _png(content, FOREVER if is_named else "no-cache")


def _masked(look: Look, request: Request) -> Response:
    name, row = request.path_params["name"], whole(request.path_params["row"])
    known = name in look.run.alternations and row < len(look.images("train"))
    picture = pictures.masked_picture(look, name, row) if known else None
    if picture is None:
        place = f"{row} of {name}"
        raise no_such(place, kind="image with agreement")
    return _png(picture, "no-cache")


def _png(content: bytes, cache: str) -> Response:
    return Response(content, media_type="image/png", headers={"cache-control": cache})


def _plain(text: str) -> Response:
    return PlainTextResponse(text, headers={"cache-control": "no-store"})
