"""Which model answers under a name: what tells one from another that has the same name."""

from typing import NamedTuple

from embed_pipeline import errors
from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.model_names import entry_of, names_of


class Identity(NamedTuple):
    """Hold what two addresses with the very same model have in common.

    Attributes:
        digest: The model's digest, or "" where the server does not say.
        context: Tokens the loaded model reads, or None where the server does not say.
    """

    digest: str
    context: int | None

    def agrees(self, other: "Identity | None") -> bool:
        """Tell whether both may be the same; a context that is not told contradicts nothing."""
        if other is None or self.digest != other.digest:
            return other is None
        return None in (self.context, other.context) or self.context == other.context

    def __str__(self) -> str:
        context = "" if self.context is None else f" with a context of {self.context} tokens"
        return f"the digest {self.digest[:12] or 'unknown'}{context}"


def find_digest(client: Client, endpoint: Endpoint, attempts: int | None = None) -> str:
    """Return the digest of the model the settings name.

    Args:
        client: Of one address.
        endpoint: The settings.
        attempts: Tries at most; None leaves that to the client's settings.

    Raises:
        ModelNotFound: The endpoint lists its models, and this one is not among them.
    """
    listed = client.get("/api/tags", attempts)
    entry = entry_of(listed, endpoint.model)
    if entry:
        return str(entry.get("digest", ""))
    names = ", ".join(sorted(names_of(listed))) or "none"
    raise errors.ModelNotFound(
        f"{endpoint.masked_url} has no model '{endpoint.model}' (it has: {names}); "
        f"get it with: ollama pull {endpoint.model}"
    )


def told_context(client: Client, endpoint: Endpoint, attempts: int | None = None) -> int | None:
    """Return the context `/api/ps` tells of the loaded model, or None."""
    try:
        loaded = client.get("/api/ps", attempts)
    except (errors.NotAnEndpoint, errors.RequestRejected, errors.ModelNotFound):
        return None
    context = entry_of(loaded, endpoint.model).get("context_length")
    return int(context) if context else None
