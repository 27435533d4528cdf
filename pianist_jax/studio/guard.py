"""Who may talk to the studio: pages that it has served itself, which know its token. Pure ASGI.

The server listens to this machine alone, but any page in any browser on it can send requests there. They have another
Origin; or, by a name that leads here (DNS rebinding), another Host; and they do not know the token.
"""

import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL = ("127.0.0.1", "localhost")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src data:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """Lets those requests through, below `/TOKEN`, whose Host and Origin are the studio's own; tells others nothing."""

    def __init__(self, app: ASGIApp, token: str, hosts: tuple[str, ...] = LOCAL) -> None:
        self._app, self._token, self._hosts = app, token, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        given = scope["path"].split("/")[1]
        if not self._is_own(Headers(scope=scope)) or not secrets.compare_digest(given.encode(), self._token.encode()):
            refusal = PlainTextResponse("Open the address that `pianist studio` has printed.\n", 403, HEADERS)
            await refusal(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = [(key.encode(), value.encode()) for key, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        await self._app(scope, receive, guarded)

    def _is_own(self, headers: Headers) -> bool:
        host, origin = headers.get("host", ""), headers.get("origin")
        if host.rpartition(":")[0] not in self._hosts and host not in self._hosts:
            return False
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return False
        return origin is None or (urlsplit(origin).scheme, urlsplit(origin).netloc) == ("http", host)
