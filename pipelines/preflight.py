"""Before a run: which endpoint it is, and whether all its addresses have the very same model."""

import logging

from embed_pipeline import errors
from embed_pipeline.client import Client
from embed_pipeline.deep_check import short_check, stop_where_broken
from embed_pipeline.endpoint import EMBEDDED, Batching, Endpoint, Retry
from embed_pipeline.engine import find_version, kind_of
from embed_pipeline.identity import find_digest, told_context
from embed_pipeline.pipelines.terminal import Terminal

_log = logging.getLogger("embed_pipeline")


def preflight(
    endpoint: Endpoint, batching: Batching, terminal: Terminal, *, check: bool = True
) -> str:
    """Return the model's digest; say which endpoint was taken.

    Args:
        endpoint: With concrete addresses.
        batching: The run's.
        terminal: Where to tell of it.
        check: Whether the endpoint is tried with a few texts.

    Of several addresses some may be down: they are warned of, and looked at again when they are
    back.

    Raises:
        ConfigError: What answers is no endpoint, or does not have the model.
        VectorsContradicted: An address mixes texts up, or gives them other vectors in a batch.
        RefusedError: Two addresses have different models under the same name.
        EndpointError: None of the addresses answers.
    """
    digests: dict[str, str] = {}
    down: errors.EndpointError | None = None
    for one in endpoint.each:
        try:
            digests[one.masked_url] = _asked(one, batching, terminal, check=check)
        except (errors.ModelNotFound, errors.NotAnEndpoint) as error:
            raise errors.ConfigError(str(error)) from error
        except errors.TransientError as error:
            if len(endpoint.urls) == 1:
                raise
            _log.warning("%s; beginning without it", error)
            down = error
    if not digests and down is not None:
        raise down
    if len(set(digests.values())) > 1:
        told = ", ".join(f"{url} has {digest[:12]}" for url, digest in digests.items())
        raise errors.RefusedError(
            f"the addresses of endpoint.url have different models as '{endpoint.model}': {told}; "
            "their vectors do not compare: give all of them the same model"
        )
    return next(iter(digests.values()))


def preflight_from_afar(
    endpoint: Endpoint, batching: Batching, terminal: Terminal, *, check: bool = True
) -> str:
    """Return the model's digest as `preflight` does, or "" where only workers reach the endpoint.

    Without the digest, nothing of earlier runs is reused.

    Raises:
        VectorsContradicted, RefusedError: As of `preflight`.
    """
    try:
        return preflight(endpoint, batching, terminal, check=check)
    except (errors.EndpointError, errors.ConfigError) as error:
        if isinstance(error, errors.VectorsContradicted):
            raise
        terminal.say(
            f"not reached from here: {error}; the workers look for themselves, and nothing of "
            "earlier runs is reused"
        )
        return ""


def loaded_context(endpoint: Endpoint) -> int | None:
    """Return the context of the model as it is loaded now; None where it is not."""
    with Client(endpoint.each[0], Retry(attempts=3)) as client:
        return told_context(client, endpoint)


def _asked(endpoint: Endpoint, batching: Batching, terminal: Terminal, *, check: bool) -> str:
    """Return the digest at one address."""
    with Client(endpoint, Retry(attempts=3)) as client:
        version = find_version(client)
        digest = find_digest(client, endpoint)
        verdicts = short_check(client) if check else []
    for warning in stop_where_broken(verdicts, endpoint, batching):
        terminal.warn(warning)
    kind = "the embedded one" if kind_of(version) == EMBEDDED else "a server"
    terminal.say(f"endpoint: {kind} at {endpoint.masked_url}, version {version or 'unknown'}")
    return digest
