"""Find the endpoint a job means: `auto` and `embedded` become an address."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from embed_pipeline import address, errors
from embed_pipeline.client import Client
from embed_pipeline.endpoint import AUTO, EMBEDDED, Endpoint, Retry
from embed_pipeline.engine import find_version
from embed_pipeline.identity import find_digest
from embed_pipeline.model_names import is_embedded

_log = logging.getLogger("embed_pipeline")


def check_address(endpoint: Endpoint) -> None:
    """Refuse an address that only a launcher can resolve.

    Raises:
        ConfigError: It is `auto` or `embedded`.
    """
    if endpoint.address in (AUTO, EMBEDDED):
        raise errors.ConfigError(
            f"endpoint.url is '{endpoint.url}', which workers cannot resolve: give an address or "
            "'worker', or use `with embed_pipeline.locate.opened(endpoint) as endpoint:` around "
            "the pipeline"
        )


@contextmanager
def opened(endpoint: Endpoint) -> Iterator[Endpoint]:
    """Yield the endpoint with a concrete address; an embedded one runs until the end.

    `auto` means the server OLLAMA_HOST names (or localhost:11434) if it answers and has the model,
    else the embedded endpoint. `worker` stays as it is: each machine finds its own.

    Raises:
        ConfigError: The embedded endpoint is meant, but cannot serve the model or cannot start.
    """
    if endpoint.url == AUTO:
        found = _server(endpoint)
        if found is not None:
            yield found
            return
    elif endpoint.url != EMBEDDED:
        yield endpoint
        return
    if not is_embedded(endpoint.model):
        raise errors.ConfigError(_nobody_has(endpoint))
    from embed_pipeline.embedded import weights  # noqa: PLC0415 (an extra)
    from embed_pipeline.embedded.process import start_embedded  # noqa: PLC0415

    if weights.locate() is None:  # which nobody waits for without a word
        _log.warning("fetching the embedded endpoint's model (90 MB), this once")
    with start_embedded() as process:
        yield endpoint.model_copy(update={"url": process.url})


def _server(endpoint: Endpoint) -> Endpoint | None:
    """Return the server of the environment, if it answers and has the model."""
    found = endpoint.model_copy(update={"url": address.from_environment()})
    with Client(found, Retry(attempts=1)) as client:
        try:
            find_version(client)
            find_digest(client, found)
        except (
            errors.ConnectionFailed,
            errors.ConnectionLost,
            errors.RequestTimedOut,
            errors.ModelNotFound,
            errors.NotAnEndpoint,
        ) as error:
            if os.environ.get("OLLAMA_HOST"):  # then somebody expects that server
                _log.warning("OLLAMA_HOST is passed over: %s", error)
            return None
    return found


def _nobody_has(endpoint: Endpoint) -> str:
    what = f"the embedded endpoint serves all-minilm only, not '{endpoint.model}'"
    if endpoint.url == EMBEDDED:
        return f"{what}; set endpoint.url to a server that has it"
    host = address.masked(address.from_environment())
    return (
        f"no server with the model '{endpoint.model}' answers at {host} (OLLAMA_HOST), and {what}; "
        f"start the server and run: ollama pull {endpoint.model}"
    )
