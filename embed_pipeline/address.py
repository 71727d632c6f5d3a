"""Addresses of endpoints: from OLLAMA_HOST, from a job file, and without their secrets."""

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from embed_pipeline.errors import ConfigError

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 11434
UNPARSED = "an address that cannot be parsed"
_SCHEME_PORTS = {"http": 80, "https": 443}


def from_environment(environ: Mapping[str, str] = os.environ) -> str:
    """Return the endpoint OLLAMA_HOST names, or the default one.

    Every form the server and its own clients accept is understood: `host`, `host:port`, `:port`,
    `[::1]:port`, `http://host`, `https://host:port/path`, in quotes or not. Without a scheme the
    port defaults to 11434, with one to the scheme's own. An address to listen on (0.0.0.0, [::])
    means loopback. A port out of range falls back to the default, as the server does.
    """
    value = environ.get("OLLAMA_HOST", "").strip().strip("\"'").strip()
    scheme, found, rest = value.partition("://")
    if not found:
        scheme, rest = "http", value
    scheme = scheme.lower()
    if scheme not in _SCHEME_PORTS:
        raise ConfigError(f"OLLAMA_HOST has the scheme '{scheme}': use http or https")
    default_port = _SCHEME_PORTS[scheme] if found else DEFAULT_PORT
    authority, slash, path = rest.partition("/")
    credentials, at, authority = authority.rpartition("@")
    host, port = _split_port(authority, default_port)
    return f"{scheme}://{credentials}{at}{_connectable(host)}:{port}{slash}{path}".rstrip("/")


def _split_port(authority: str, default: int) -> tuple[str, int]:
    """Split "host:port" where either may be missing and the host may be an IPv6 address."""
    try:
        ipaddress.IPv6Address(authority.strip("[]"))
    except ValueError:
        pass
    else:
        return authority.strip("[]"), default
    host, _, port = authority.rpartition(":") if ":" in authority else (authority, "", "")
    usable = port.isascii() and port.isdigit() and int(port) <= 65535
    return host.strip("[]"), int(port) if usable else default


def _connectable(host: str) -> str:
    """Return a host one can connect to: loopback for none and for listen-on-everything."""
    if host in ("", "0.0.0.0"):  # noqa: S104  compared, not bound
        return DEFAULT_HOST
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host


def checked(url: str) -> str:
    """Return a base URL without its trailing slash.

    Raises:
        ValueError: It is not an http or https URL with a host.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _SCHEME_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets or a port that are none
        usable = False
    shown, more = masked(url), "?" in url or "#" in url
    if usable and more and shown != UNPARSED:
        raise ValueError(
            f"'{shown}' has a query or a fragment (not shown here), which an address cannot have: "
            "leave out '?' or '#' and what follows, and give a key in endpoint.headers"
        )
    if not usable or more:
        raise ValueError(
            f"'{shown}' is not an address: use http://HOST:PORT, 'worker', 'embedded' or "
            "'auto'; write special characters of a password as %XX"
        )
    return url.rstrip("/")


def masked(url: str) -> str:
    """Return a URL without user name, password, query and fragment, fit for logs and manifests."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return UNPARSED
    if "@" in parts.path + parts.query + parts.fragment:  # what stands before may be a password
        return UNPARSED
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
