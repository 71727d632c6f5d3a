"""An endpoint's vectors of all-minilm held against those of the embedded model.

The texts are such as engines are known to tokenize differently. Left out are words of more than 100
characters and literal special tokens, on which no two engines agree.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embed_pipeline import errors, locate
from embed_pipeline.batch_checks import LEAST_COSINE
from embed_pipeline.client import Client
from embed_pipeline.endpoint import EMBEDDED, Endpoint, Retry
from embed_pipeline.engine import kind_of
from embed_pipeline.model_names import is_embedded
from embed_pipeline.verdict import Case, Verdict

REFERENCE = "vectors as published"
AWKWARD_TEXTS = (
    "Why is the sky blue?",
    "WHY IS THE SKY BLUE?",
    "Don't stop: it's 5 o'clock (or 6).",
    "snake_case, camelCase and kebab-case",
    "Extensive tutorial and documentation about C++",
    "C# and F# against C++ and g++",
    "it costs $5, or 3€ and 2£",
    "a+b=c",
    "x<y and y>z",
    "if a|b and ~c then ^d",
    "run `make` first",
    "https://example.com/a?b=c&d=e#f",
    "name=value; key=another",
    "mail <someone@example.com>",
    "5° north, 10 m², ½ cup",
    "“hello” she said",
    "it’s the users’ choice",
    "«bonjour» and „guten Tag“",
    "hello—world",
    "pages 10–12 — and so on",
    "wait… what",
    "• first item",
    "café naïve résumé",
    "Über München nach Köln",
    "El niño comió piña mañana",
    "garçon, élève, forêt, crème brûlée",
    "Łódź i Kraków",
    "Tiếng Việt ở Hà Nội",
    "Привет, май",
    "Γειά σου Κόσμε",
    "مرحبا بالعالم",
    "नमस्ते दुनिया",
    "สวัสดีชาวโลก",
    "你好世界",
    "你好，世界。",
    "「東京」は、日本の首都です。",
    "안녕하세요 세계",
    "I ❤ 🎉 and 👩‍🔬",
    "pneumonoultramicroscopicsilicovolcanoconiosis",
    "Donaudampfschifffahrtsgesellschaftskapitän",
    "soft\u00adhyphen and zero\u200bwidth",
    "a NUL \x00 here, a bell \x07 there",
    "tabs\tand\nnew lines   and\u00a0spaces",
)
_VERSION = re.compile(r"0\.(\d+)\.")
RIGHT_SINCE = 30  # of Ollama 0.x


def against_embedded(
    client: Client, endpoint: Endpoint, retry: Retry, version: str
) -> list[Verdict]:
    """Compare an endpoint with the embedded one; nothing where that serves another model.

    Args:
        client: Of the endpoint.
        endpoint: With a concrete address.
        retry: Bounds of the repetition of one request.
        version: The endpoint's.

    Raises:
        EndpointError: One of the two does not answer.
    """
    if kind_of(version) == EMBEDDED or not is_embedded(endpoint.model):
        return []
    own = Endpoint(url=EMBEDDED, model=endpoint.model, dimensions=endpoint.dimensions)
    try:
        with locate.opened(own) as opened, Client(opened, retry) as embedded:
            right = embedded.embed(AWKWARD_TEXTS).answer.vectors
    except errors.ConfigError as error:
        line = " ".join(str(error).split())
        return [Verdict(REFERENCE, "not known", f"the embedded endpoint does not start: {line}")]
    return [
        compared(AWKWARD_TEXTS, [_vector(client, text) for text in AWKWARD_TEXTS], right, version)
    ]


def _vector(client: Client, text: str) -> NDArray[np.float32] | None:
    """Return a text's vector, asked for alone, or None where it gets none."""
    try:
        found: NDArray[np.float32] = client.embed([text]).answer.vectors[0]
    except errors.EndpointError as error:
        if error.scope == "job":
            raise
        return None
    return found


def compared(
    texts: Sequence[str],
    found: Sequence[NDArray[np.float32] | None],
    right: NDArray[np.float32],
    version: str,
) -> Verdict:
    """Judge each text's vector by the right one.

    Args:
        texts: What was embedded.
        found: Each text's vector, or None where the endpoint gave none.
        right: float32, shape (texts, dimension).
        version: The endpoint's.
    """
    if any(one is not None and one.shape != right[0].shape for one in found):
        detail = f"vectors have not {right.shape[1]} values: this is not the published all-minilm"
        return Verdict(REFERENCE, "broken", f"{detail}; pull it anew")
    cosines = [
        None if one is None else float(one @ true) for one, true in zip(found, right, strict=True)
    ]
    hit = [
        Case(text, cosine)
        for text, cosine in zip(texts, cosines, strict=True)
        if cosine is None or cosine < LEAST_COSINE
    ]
    if not hit:
        least = min(cosine for cosine in cosines if cosine is not None)
        detail = f"{len(texts)} awkward texts, cosine {least:.6f} at least to the embedded model"
        return Verdict(REFERENCE, "holds", detail)
    share = f"{len(hit)} of {len(texts)} awkward texts ({len(hit) / len(texts):.0%}) are hit"
    hit.sort(key=lambda case: -1.0 if case.cosine is None else case.cosine)
    return Verdict(REFERENCE, "broken", f"{share}: {_cure(version)}", tuple(hit))


def _cure(version: str) -> str:
    """Return what to do, by the server's version."""
    known = _VERSION.match(version)
    if known and int(known[1]) >= RIGHT_SINCE:
        return "use the embedded endpoint for such texts (--url embedded), and never mix the two"
    return (
        "Ollama 0.13 to 0.24 tokenizes them wrong: use 0.30 or newer, or the embedded endpoint "
        "(--url embedded)"
    )
