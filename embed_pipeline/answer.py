"""An endpoint's answer: parsed without Python floats, and checked before it is believed."""

import re
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import simdjson
from numpy.typing import NDArray

from embed_pipeline.errors import VectorNotFinite, WrongAnswer

NORM_TOLERANCE = 1e-3
_NOT_A_NUMBER = re.compile(rb"\s*\{.*[\[,]\s*(null|[+-]?(NaN|Inf))", re.DOTALL | re.IGNORECASE)

_parsers = threading.local()


class Answer(NamedTuple):
    """Hold what one request brought.

    Attributes:
        vectors: float32, shape (texts, dimension), each row of unit length.
        token_count: Tokens of all texts together, special tokens included; None if not said.
        total_ns, load_ns: The endpoint's own times, in nanoseconds; 0 if not said.
    """

    vectors: NDArray[np.float32]
    token_count: int | None
    total_ns: int
    load_ns: int


def parse(body: bytes, texts: int, dimension: int | None, request: str) -> Answer:
    """Read the answer to a request of `texts` texts.

    Args:
        body: A JSON object as `POST /api/embed` answers.
        texts: How many vectors there must be.
        dimension: Length every vector must have, or None where the first one decides.
        request: Method and address without secrets, to begin an error's message with.

    Raises:
        VectorNotFinite: A NaN or infinity stands in the body.
        WrongAnswer: It is no such object, or the vectors are not as many as the texts, differ in
            length, or are not of unit length within 1e-3.
    """
    try:
        flat, lengths, token_count, total_ns, load_ns = _read(body)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        del _parsers.parser  # the error's frames hold its document, so it cannot parse again
        raise _malformed(body, request, error) from error
    if len(lengths) != texts:
        raise WrongAnswer(f"{request}: {len(lengths)} vectors came back for {texts} texts", 200)
    width = dimension or (lengths[0] if lengths else 0)
    wrong = next((length for length in lengths if length != width), None)
    if wrong is not None or flat.size != texts * width:
        raise WrongAnswer(
            f"{request}: a vector of {wrong} values came back where {width} were expected", 200
        )
    vectors = flat.reshape(texts, width)
    _check_norms(vectors, request)
    return Answer(vectors, token_count, total_ns, load_ns)


def check_distinct(vectors: NDArray[np.float32], texts: Sequence[str], request: str) -> None:
    """Refuse one vector for texts that are not all the same, as a server that is stuck gives it.

    Texts may rightly share a vector, say where they differ in case only; alone, each then gets it.

    Raises:
        WrongAnswer: All vectors are equal, bit by bit, though they have more than two values, and
            not all texts are.
    """
    if len(texts) > 1 and vectors.shape[1] > 2 and vectors[0, 0] == vectors[-1, 0]:
        same = bool((vectors == vectors[0]).all())
        if same and any(text != texts[0] for text in texts):
            raise WrongAnswer(f"{request}: one vector came back for {len(texts)} texts", 200)


def _parser() -> simdjson.Parser:
    """Return this thread's parser: one parser cannot serve two threads."""
    if not hasattr(_parsers, "parser"):
        _parsers.parser = simdjson.Parser()
    parser: simdjson.Parser = _parsers.parser
    return parser


def _read(body: bytes) -> tuple[NDArray[np.float32], list[int], int | None, int, int]:
    """Copy everything out of the parsed document, so that its parser is free again."""
    document: Any = _parser().parse(body)
    embeddings = document["embeddings"]
    doubles = np.frombuffer(embeddings.as_buffer(of_type="d"), dtype=np.float64)
    with np.errstate(over="ignore"):  # to infinity, which is refused below
        flat = doubles.astype(np.float32)
    lengths = [len(vector) for vector in embeddings]
    token_count = document.get("prompt_eval_count")
    return (
        flat,
        lengths,
        None if token_count is None else int(token_count),
        int(document.get("total_duration") or 0),
        int(document.get("load_duration") or 0),
    )


def _malformed(body: bytes, request: str, error: Exception) -> VectorNotFinite | WrongAnswer:
    """Tell vectors that are not finite from answers of another shape."""
    if _NOT_A_NUMBER.match(body):
        return VectorNotFinite(f"{request}: a vector holds NaN, infinity or null", 200)
    start = body[:60].decode("utf-8", "replace")
    return WrongAnswer(
        f"{request}: the answer begins with {start!r}, not with vectors ({error}); "
        "is a proxy or another server answering there?",
        200,
    )


def _check_norms(vectors: NDArray[np.float32], request: str) -> None:
    """Refuse vectors that are not of unit length; zeros and non-finite values are none."""
    squares = np.einsum("ij,ij->i", vectors, vectors)
    good = np.abs(np.sqrt(squares) - 1.0) <= NORM_TOLERANCE  # False for NaN as well
    if not good.all():
        first = int(np.argmin(good))
        norm = float(np.sqrt(squares[first]))
        if not np.isfinite(norm):
            raise VectorNotFinite(f"{request}: vector {first} of the request is not finite", 200)
        raise WrongAnswer(
            f"{request}: vector {first} of the request has the norm {norm:.6g}, not 1", 200
        )
