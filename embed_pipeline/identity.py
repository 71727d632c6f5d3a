"""Which model answers under a name: what tells one from another that has the same name."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embed_pipeline import errors
from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.model_names import entry_of, names_of

# Short texts on which engines and versions are known to differ: the same digest on another version
# of the server gives other vectors.
FINGERPRINT_TEXTS = ("a", "C++", "café", "naïve")
LEAST_COSINE = 0.9999  # of two vectors of one text by the very same engine


class Identity(NamedTuple):
    """Hold what two addresses with the very same model have in common.

    Attributes:
        digest: The model's digest, or "" where the server does not say.
        context: Tokens the loaded model reads, or None where the server does not say.
        fingerprint: The vectors of FINGERPRINT_TEXTS, float32, shape (4, dimension); None where
            the digest says it already.
    """

    digest: str
    context: int | None
    fingerprint: NDArray[np.float32] | None

    def agrees(self, other: "Identity") -> bool:
        """Tell whether both may be the same; a context that is not told contradicts nothing."""
        contexts = {self.context, other.context} - {None}
        return self.digest == other.digest and len(contexts) < 2 and self._like(other)

    def _like(self, other: "Identity") -> bool:
        if self.fingerprint is None or other.fingerprint is None:
            return False
        if self.fingerprint.shape != other.fingerprint.shape:
            return False
        cosines = np.einsum("ij,ij->i", self.fingerprint, other.fingerprint)
        return bool((cosines >= LEAST_COSINE).all())

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
