"""What stands before every page: a check of the host, and a policy on every answer."""

import ipaddress
import re

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
# a name or address, in brackets where it is of IPv6, and a port: nothing else gets into an address
HOST = re.compile(r"(?:\[([0-9a-f:.%]+)\]|([a-z0-9._-]+))(?::[0-9]{1,5})?", re.IGNORECASE)


class Guarded:
    """An application behind a check of the host and with a policy on every answer."""

    def __init__(self, app: ASGIApp, *, host: str):
        self.app, self.host = app, host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        asked = [value for name, value in scope.get("headers", ()) if name == b"host"]
        if scope["type"] == "http" and not (
            len(asked) == 1 and host_is_allowed(asked[0].decode("latin-1"), served=self.host)
        ):
            refusal = PlainTextResponse("This host is not served here.\n", status_code=421)
            await refusal(scope, receive, sending)
            return
        await self.app(scope, receive, sending)


def host_is_allowed(asked: str, *, served: str) -> bool:
    """Return whether a request names this server: so that no page elsewhere reads it by a name.

    Parameters
    ----------
    asked
        The request's Host header.
    served
        The address that is listened on. On one that stands for all of this machine, every address
        in numbers is allowed, but no name other than localhost.
    """
    found = HOST.fullmatch(asked)
    if found is None:
        return False
    name = (found[1] or found[2]).lower()
    if name in {"localhost", "127.0.0.1", "::1", served.lower()}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return served in ("0.0.0.0", "::")
