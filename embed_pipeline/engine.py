"""What makes the vectors of a run: endpoint, model and server, as found before the first text.

A model's name does not say it: the same name may stand for another quantization tomorrow. So the
digest is recorded, and the vectors of some awkward texts, the canary.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embed_pipeline import errors
from embed_pipeline.client import Client
from embed_pipeline.endpoint import EMBEDDED, Endpoint, Retry
from embed_pipeline.identity import find_digest
from embed_pipeline.isolation import embed_texts
from embed_pipeline.limits import Limits, find_limits
from embed_pipeline.model_license import find_license
from embed_pipeline.outcomes import Vector
from embed_pipeline.pool import Pool
from embed_pipeline.sizing import Prepared, Sizing
from embed_pipeline.tokens import Tokens

# Texts on which engines and versions are known to differ: case, accents, symbols that touch
# words, quotes and dashes, scripts, emoji, long words, literal special tokens, white space.
CANARY_TEXTS = (
    "Why is the sky blue?",
    "WHY IS THE SKY BLUE?",
    "the quick brown fox jumps over the lazy dog",
    "café naïve résumé",
    "Über München, łódź, Việt Nam",
    "C++ and C# cost $5 ~ a+b=c",
    "https://example.com/a?b=c&d=e#f",
    "“hello” ‘world’",
    "hello—world … and so on",
    "• item one",
    "你好，世界。",
    "こんにちは世界",
    "안녕하세요",
    "Привет, май",
    "مرحبا بالعالم",
    "नमस्ते दुनिया",
    "สวัสดีชาวโลก",
    "I ❤ 🎉 emoji 👩‍🔬",
    "def f(x): return x**2  # code",
    "snake_case and camelCase and kebab-case",
    "[CLS] not special [SEP] [UNK]",
    "pneumonoultramicroscopicsilicovolcanoconiosis",
    "3.14159 2,718 1e-5 0x1F",
    "tabs\tand\nnew lines   and spaces",
)


class Engine(NamedTuple):
    """Hold what makes the vectors of a run.

    Attributes:
        url: The endpoint's address without secrets.
        version: The server's version, or "" where it does not say.
        model: The model's name as it is asked for.
        digest: The model's digest, or "" where the server does not say.
        limits: What bounds a text, and the tokenizer.
        dimension: Values in a vector.
        canary: float32, shape (len(CANARY_TEXTS), dimension); a row of zeros where the endpoint
            has no vector for that text.
        license: The short name of the model's license, or "" where the server does not say.
    """

    url: str
    version: str
    model: str
    digest: str
    limits: Limits
    dimension: int
    canary: NDArray[np.float32]
    license: str = ""

    @property
    def kind(self) -> str:
        """Return "embedded" for our own endpoint, which says so in its version, or "server"."""
        return kind_of(self.version)


def inspect(endpoint: Endpoint, retry: Retry, tokens: Tokens | None = None) -> Engine:
    """Load the model and find out what will make the vectors.

    Args:
        endpoint: With concrete addresses; the first one that answers is asked.
        retry: Bounds of the repetition of one request.
        tokens: The settings of tokens; None: the defaults.

    Raises:
        ConfigError: The tokenizer or the prefix cannot be used.
        ModelNotFound: The endpoint does not have the model; the message says how to get it.
        EndpointError: It does not answer, or gives no vectors.
    """
    with Pool(endpoint, retry) as pool:
        client = pool.some()
        version = find_version(client)
        digest = find_digest(client, endpoint)
        limits = find_limits(client, endpoint, tokens or Tokens())
        canary_texts = [Prepared(text, None, False, text) for text in CANARY_TEXTS]
        results, _ = embed_texts(client, canary_texts, Sizing(limits, Tokens(on_too_long="fail")))
        found = [result.vector for result in results if isinstance(result, Vector)]
        if not found:
            error = next(result.error for result in results if not isinstance(result, Vector))
            raise error
        none = np.zeros_like(found[0])
        canary = np.stack([r.vector if isinstance(r, Vector) else none for r in results])
        return Engine(
            url=endpoint.masked_url,
            version=version,
            model=endpoint.model,
            digest=digest,
            limits=limits,
            dimension=len(none),
            canary=canary,
            license=find_license(client),
        )


def kind_of(version: str) -> str:
    """Return "embedded" for the version our own endpoint tells, or "server"."""
    return EMBEDDED if EMBEDDED in version else "server"


def find_version(client: Client) -> str:
    """Return the server's version, or "" where it does not say; prove that a server is there."""
    try:
        return str(client.get("/api/version").get("version", ""))
    except errors.RequestRejected:
        return ""
