"""Tokens of Google Cloud: identity tokens, and secrets of Secret Manager.

Its imports are an extra, `gcp`; only `auth` imports it. Credentials are found as Google's own
libraries find them. What fails for now is raised at once, past their own waits, since whoever
embeds repeats it, as the retry settings say.
"""

import base64
import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import google.auth
import requests
from google.auth.exceptions import (
    DefaultCredentialsError,
    GoogleAuthError,
    TransportError,
)
from google.auth.transport.requests import Request
from google.oauth2 import id_token

from embed_pipeline import errors
from embed_pipeline.auth import Fetched, checked
from embed_pipeline.masking import without

SECONDS = 10.0  # that whoever gives tokens may take to answer
MAX_SHOWN = 300
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
GOOGLE_API = "https://secretmanager.googleapis.com"
API_VARIABLE = "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER"  # gcloud's own
_THEIRS = (  # what comes of answers that are not as they should be, too
    GoogleAuthError,
    requests.RequestException,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
)
_NO_CREDENTIALS = (
    "attach a service account to the workers, or let GOOGLE_APPLICATION_CREDENTIALS name the key "
    "file of one"
)


class _Exchange:
    """Send what Google's libraries send; keep what was refused, raise what failed for now.

    Attributes:
        refused: Status and text of the last answer, where that was a refusal.
    """

    def __init__(self, session: requests.Session, what: str) -> None:
        self.session = session  # Google's library looks for it
        self._request = Request(session)
        self._what = what
        self.refused: tuple[int, str] | None = None

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **further: Any,
    ) -> Any:
        """Send a request.

        Raises:
            TokenUnavailable: No answer, or one of a server in trouble.
        """
        self.refused = None
        asked = f"{self._what}: {method} {_without_query(url)}"
        seconds = min(timeout or SECONDS, SECONDS)
        try:
            answer = self._request(url, method, body, headers, seconds, **further)
        except TransportError as error:
            kind = type(error.args[0] if error.args else error).__name__
            raise errors.TokenUnavailable(
                f"{asked}: no answer ({kind}); if this is not Google Cloud, let "
                "GOOGLE_APPLICATION_CREDENTIALS name the key file of a service account"
            ) from error
        if answer.status >= 400:
            text = f"{asked}: {answer.status} {_said(answer.data, headers or {}, body)}".rstrip()
            if answer.status >= 500 or answer.status in (408, 429):
                raise errors.TokenUnavailable(text, answer.status)
            self.refused = answer.status, text
        return answer


class _Source(ABC):
    """Fetch one token, as often as it is called; not for several threads at once."""

    what: str

    def __init__(self) -> None:
        self._credentials: Any = None

    def __call__(self) -> Fetched:
        """Fetch the token.

        Raises:
            ConfigError: There are no Google credentials here, or there is no token.
            TokenUnavailable: Whoever gives tokens does not answer.
            Unauthorized: Whoever gives tokens refuses one.
        """
        with requests.Session() as session:
            exchange = _Exchange(session, self.what)
            try:
                self._credentials = self._credentials or self._found(exchange)
            except DefaultCredentialsError as error:
                if exchange.refused is not None:
                    raise self._failure(error, exchange) from None
                told = f"{self.what}: no Google credentials ({error}): {_NO_CREDENTIALS}"
                raise errors.ConfigError(told) from None
            except _THEIRS as error:
                raise self._failure(error, exchange) from None
            try:
                self._credentials.refresh(exchange)
                return self._fetched(exchange)
            except _THEIRS as error:
                raise self._failure(error, exchange) from None

    @abstractmethod
    def _found(self, exchange: _Exchange) -> Any:
        """Find the credentials that are in force here."""

    @abstractmethod
    def _fetched(self, exchange: _Exchange) -> Fetched:
        """Return the token, once the credentials are fresh."""

    def _failure(self, error: Exception, exchange: _Exchange) -> errors.EndpointError:
        """Return the error of ours for one of theirs."""
        if exchange.refused is not None:
            status, text = exchange.refused
            return errors.Unauthorized(f"{text} ({_NO_CREDENTIALS})", status)
        kind = type(error).__name__  # its text may hold the token
        return errors.TokenUnavailable(f"{self.what}: what came is no token ({kind})")


class IdentityToken(_Source):
    """Fetch identity tokens, as Cloud Run wants them.

    Args:
        audience: Whom they are for.
    """

    def __init__(self, audience: str) -> None:
        super().__init__()
        self.what = "endpoint.auth.google_id_token"
        self._audience = audience

    def _found(self, exchange: _Exchange) -> Any:
        return id_token.fetch_id_token_credentials(self._audience, request=exchange)

    def _fetched(self, exchange: _Exchange) -> Fetched:  # noqa: ARG002 (it has come already)
        expiry: datetime = self._credentials.expiry
        token = checked(str(self._credentials.token), self.what)
        return token, expiry.replace(tzinfo=UTC).timestamp()


class Secret(_Source):
    """Fetch a token that is kept in Secret Manager.

    Args:
        name: projects/P/secrets/S, or a version of it.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.what = "endpoint.auth.secret_manager"
        self._name = name if "/versions/" in name else f"{name}/versions/latest"

    def _found(self, exchange: _Exchange) -> Any:
        return google.auth.default(scopes=[SCOPE], request=exchange)[0]

    def _fetched(self, exchange: _Exchange) -> Fetched:
        headers: dict[str, str] = {}
        self._credentials.apply(headers)
        at = os.environ.get(API_VARIABLE, "").rstrip("/") or GOOGLE_API
        answer = exchange(f"{at}/v1/{self._name}:access", headers=headers)
        if exchange.refused is not None:
            status, text = exchange.refused
            raise errors.Unauthorized(f"{text} ({self._cure(status)})", status)
        data = base64.b64decode(json.loads(answer.data)["payload"]["data"], validate=True)
        return checked(data.decode("utf-8", "replace"), f"the secret {self._name}"), math.inf

    def _cure(self, status: int) -> str:
        if status == 403:
            return (
                f"grant the role Secret Manager Secret Accessor on {self._name} to the service "
                "account of the workers"
            )
        if status in (400, 404):
            return f"see that {self._name} exists and is enabled, or correct {self.what}"
        return _NO_CREDENTIALS


def _without_query(url: str) -> str:
    return urlsplit(url)._replace(query="").geturl()


def _said(body: bytes, headers: Mapping[str, str], sent: bytes | None) -> str:
    """Return what an answer says of an error, without what was sent to get it."""
    text = body.decode("utf-8", "replace")
    try:
        found = json.loads(text)
        error = found.get("error_description") or found["error"]
        text = error["message"] if isinstance(error, dict) else str(error)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass  # not the form of an error of Google's
    bearer = {name.lower(): value for name, value in headers.items()}.get("authorization", "")
    posted = [value for _, value in parse_qsl((sent or b"").decode())]
    secrets = [one for one in (bearer.removeprefix("Bearer "), *posted) if one]
    line = " ".join(without(secrets, text).split())
    return line if len(line) <= MAX_SHOWN else line[: MAX_SHOWN - 1] + "…"
