"""Before a run: which endpoint it is, and whether it has the model."""

from embed_pipeline import errors
from embed_pipeline.client import Client
from embed_pipeline.endpoint import EMBEDDED, Endpoint, Retry
from embed_pipeline.engine import find_version, kind_of
from embed_pipeline.identity import find_digest
from embed_pipeline.pipelines.terminal import Terminal


def preflight(endpoint: Endpoint, terminal: Terminal) -> str:
    """Return the model's digest; say which endpoint was taken.

    Raises:
        ConfigError: What answers is no endpoint, or does not have the model.
    """
    with Client(endpoint, Retry(attempts=3)) as client:
        try:
            version = find_version(client)
            digest = find_digest(client, endpoint)
        except (errors.ModelNotFound, errors.NotAnEndpoint) as error:
            raise errors.ConfigError(str(error)) from error
    kind = "the embedded one" if kind_of(version) == EMBEDDED else "a server"
    terminal.say(f"endpoint: {kind} at {endpoint.masked_url}, version {version or 'unknown'}")
    return digest
