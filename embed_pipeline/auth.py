"""The bearer token of an endpoint: read where the settings say, never written down."""

import os
from pathlib import Path

from embed_pipeline import errors
from embed_pipeline.endpoint import Auth


def bearer_token(auth: Auth | None) -> str | None:
    """Read the bearer token from where the settings say; None where they say nothing.

    Raises:
        ConfigError: The variable is not set, or the file cannot be read.
    """
    if auth is None:
        return None
    if auth.env is not None:
        token = os.environ.get(auth.env, "").strip()
        where = f"the environment variable {auth.env}"
    else:
        path = Path(str(auth.file))
        where = f"the file {path}"
        try:
            token = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise errors.ConfigError(f"endpoint.auth: cannot read {where}: {error}") from error
    if not token or not token.isascii() or not token.isprintable():
        raise errors.ConfigError(f"endpoint.auth: {where} holds no token")
    return token
