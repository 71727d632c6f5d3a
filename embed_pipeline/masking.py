"""Secrets out of what a server says: some repeat a request's headers in their errors."""

import base64
import html
import json
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote, urlsplit

from embed_pipeline.endpoint import Endpoint

MASK = "***"
SHORTEST = 4  # characters; what is shorter is no secret, and stands everywhere


def secrets_of(endpoint: Endpoint, tokens: Iterable[str | None]) -> list[str]:
    """Return what must not be told, the longest first.

    Args:
        endpoint: With one address, whose password and headers are secrets, as they are sent.
        tokens: Bearer tokens.
    """
    parts = urlsplit(endpoint.address)
    found = {*endpoint.headers.values(), *(token for token in tokens if token)}
    if parts.password:
        password, user = unquote(parts.password), unquote(parts.username or "")
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        found |= {parts.password, password, quote(password, safe=""), basic}
    told = {form for one in found if len(one) >= SHORTEST for form in _forms(one)}
    return sorted(told, key=len, reverse=True)


def _forms(secret: str) -> set[str]:
    """Return how a server may write a secret: as it is, or escaped for a URL, HTML or JSON."""
    encoded = base64.b64encode(secret.encode()).decode()
    escaped = json.dumps(secret)[1:-1]
    return {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        html.escape(secret),
        escaped,
        encoded,
    }


def without(secrets: Iterable[str], text: str) -> str:
    """Return a text with each secret in it masked."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text
