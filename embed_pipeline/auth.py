"""The bearer token of an endpoint: read or fetched where requests are sent, and renewed there.

It lives in memory only: settings, which travel, name where it comes from.
"""

import copy
import logging
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from embed_pipeline import errors
from embed_pipeline.endpoint import Auth

Fetched = tuple[str, float]  # a token, and when it expires (seconds since the epoch, or inf)

MARGIN = 60.0  # seconds before its expiry a token is renewed, or a fifth of its time if less
REMEMBERED = 8  # tokens that are masked in what servers say: answers to older ones may be under way

_log = logging.getLogger("embed_pipeline")


class Bearer:
    """Hold the bearer token of one endpoint; threads may share it.

    A variable or a file is read at once, so that a missing one is told of early. Tokens that have
    to be fetched are fetched with the first request, whose retries bear with a token server that is
    down for a while.

    Args:
        auth: Where the token comes from, or None.
        now: The clock.

    Raises:
        ConfigError: The variable is not set, the file cannot be read, or packages are missing.
    """

    def __init__(self, auth: Auth | None, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._fetch = _source(auth)
        self._token: str | None = None
        self._expires_at = self._renew_at = math.inf
        self._lock = threading.Lock()
        self._flights = 0  # fetches that have ended
        self._failure: errors.EmbedPipelineError | None = None  # of the last one
        self._seen: deque[str] = deque(maxlen=REMEMBERED)
        if auth is not None and auth.is_at_hand:
            self.renewed(None)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the latest tokens, which must not be told."""
        return tuple(self._seen)

    def current(self) -> str | None:
        """Return the token to send now, or None where no settings name one.

        One that is about to expire is renewed first; where that fails for now, it is used until it
        has expired.

        Raises:
            ConfigError: There is no token where the settings say.
            TokenUnavailable: Whoever gives tokens does not answer.
            Unauthorized: Whoever gives tokens refuses one.
        """
        token = self._token
        if token is not None and self._now() < self._renew_at:
            return token
        try:
            return self.renewed(token)
        except errors.TokenUnavailable as error:
            if token is None or self._now() >= self._expires_at:
                raise
            _log.warning("%s; using the token there is until it expires", error)
            return token

    def renewed(self, used: str | None) -> str | None:
        """Return another token than the one that was used, or that one where there is no other.

        Of threads that ask together one fetches, and all get what comes of it.

        Args:
            used: The token that was refused or is about to expire; None: there was none.

        Raises:
            ConfigError, TokenUnavailable, Unauthorized: As `current` does.
        """
        if self._fetch is None:
            return None
        flights = self._flights
        with self._lock:
            if self._token is not None and self._token != used:
                return self._token
            if self._flights != flights:  # somebody has fetched while this thread waited
                if self._failure is not None:
                    raise copy.copy(self._failure)
                return self._token
            try:
                self._take(*self._fetch())
                self._failure = None
            except errors.EmbedPipelineError as error:
                self._failure = error
                self._renew_at = self._before_expiry()
                raise
            finally:
                self._flights += 1
            return self._token

    def _take(self, token: str, expires_at: float) -> None:
        """Keep a token. An expiry that is over already tells of a wrong clock, and is not used."""
        if token not in self._seen:
            self._seen.append(token)
        self._token = token
        self._expires_at = expires_at if expires_at > self._now() else math.inf
        self._renew_at = self._before_expiry()

    def _before_expiry(self) -> float:
        """Return when to renew the token, or to try that again: before it expires."""
        left = self._expires_at - self._now()
        if math.isinf(left) or left <= 0:
            return self._expires_at
        # the fifth comes nearer to the expiry each time, so a token that comes again, from a
        # server that keeps it until then, is not asked for at each request
        return self._expires_at - min(MARGIN, left / 5)


def _source(auth: Auth | None) -> Callable[[], Fetched] | None:
    """Return what reads or fetches the token, or None where no settings name one."""
    if auth is None:
        return None
    if auth.is_at_hand:
        return lambda: (at_hand(auth), math.inf)
    try:
        from embed_pipeline import google_tokens  # noqa: PLC0415 (its imports are an extra)
    except ImportError as error:
        raise errors.ConfigError(
            f"endpoint.auth: tokens of Google Cloud need further packages ({error.name} is "
            "missing): pip install 'embed_pipeline[gcp]', on the workers as well"
        ) from error
    if auth.google_id_token is not None:
        return google_tokens.IdentityToken(auth.google_id_token)
    return google_tokens.Secret(str(auth.secret_manager))


def at_hand(auth: Auth) -> str:
    """Read the token from a variable or a file.

    Raises:
        ConfigError: The variable is not set, or the file cannot be read.
    """
    if auth.env is not None:
        return checked(os.environ.get(auth.env, ""), f"the environment variable {auth.env}")
    path = Path(str(auth.file))
    where = f"the file {path}"
    try:
        return checked(path.read_text(encoding="utf-8"), where)
    except (OSError, UnicodeDecodeError) as error:
        raise errors.ConfigError(f"endpoint.auth: cannot read {where}: {error}") from error


def checked(text: str, where: str) -> str:
    """Return the token a text holds.

    Raises:
        ConfigError: It holds none, or one that no header can hold.
    """
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable():
        raise errors.ConfigError(f"endpoint.auth: {where} holds no token")
    return token
