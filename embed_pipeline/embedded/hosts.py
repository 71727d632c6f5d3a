"""Refuse requests that a foreign web page could send to a loopback address (contract, section 6).

A browser sends such a page's requests with a Host the page chose (DNS rebinding) or with the page's
Origin; both get an empty 403.
"""

import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

LOCAL_DOMAINS = (".localhost", ".local", ".internal")
LOCAL_ORIGINS = frozenset({"localhost", "127.0.0.1", "0.0.0.0", "::1"})  # noqa: S104 - compared only
DESKTOP_SCHEMES = frozenset({"app", "file", "tauri", "vscode-webview", "vscode-file"})


class HostGuard:
    """Wrap an application.

    Args:
        app: What answers the requests that pass.
        loopback: Whether the server listens on loopback only; then the Host is checked too.
    """

    def __init__(self, app: ASGIApp, *, loopback: bool) -> None:
        self._app = app
        self._loopback = loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host = headers.get("host", "")
            if (self._loopback and not host_allowed(host)) or not origin_allowed(
                headers.get("origin", ""), host
            ):
                await Response(status_code=403)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def host_allowed(host: str) -> bool:
    """Tell whether a Host header, with or without a port, names this machine or its network."""
    name = _without_port(host).lower()
    try:
        address = ip_address(name)
    except ValueError:
        own = socket.gethostname().lower()
        return name in ("", "localhost", own) or name.endswith(LOCAL_DOMAINS)
    return address.is_loopback or address.is_private or address.is_unspecified


def origin_allowed(origin: str, host: str) -> bool:
    """Tell whether an Origin header is absent, this machine's, or the server's own."""
    if not origin:
        return True
    try:
        parts = urlsplit(origin)
        name = parts.hostname
    except ValueError:
        return False
    if parts.scheme in DESKTOP_SCHEMES:
        return True
    return parts.scheme in ("http", "https") and (name in LOCAL_ORIGINS or parts.netloc == host)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and ":" not in name else host
