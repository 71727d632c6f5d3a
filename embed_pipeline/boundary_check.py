"""What an endpoint promises of long texts: it takes as many tokens as it says, and cuts there."""

from itertools import cycle, islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embed_pipeline import errors
from embed_pipeline.batch_checks import LEAST_COSINE, SAME
from embed_pipeline.client import Client
from embed_pipeline.limits import Limits
from embed_pipeline.verdict import Verdict

BOUNDARY, TRUNCATION = "context boundary", "truncation"
SHORTEST, LONGEST = 64, 8_192  # tokens of a context; longer texts take a processor minutes
# One token each in the vocabularies in common use. They differ, so that each one changes a vector.
WORDS = (
    "time year people way day man thing woman life child world school state family student group "
    "country problem hand part place case week company system program question work government "
    "number night point home water room mother area money story fact"
)


class _NotToBeTried(Exception):
    """Say why the boundary cannot be tried."""


class _Read(NamedTuple):
    """Hold the vector of a text, and how many tokens the endpoint counted, if it says."""

    vector: NDArray[np.float32]
    counted: int | None


def boundary(client: Client, limits: Limits) -> list[Verdict]:
    """Ask with texts of one token less than the context, as many, and one more.

    Raises:
        EndpointError: The endpoint fails on such a text in another way than refusing it.
    """
    context = limits.context
    try:
        special = _special_tokens(client, limits)
    except _NotToBeTried as reason:
        return [Verdict(name, "not known", str(reason)) for name in (BOUNDARY, TRUNCATION)]
    try:
        below, full = (_read(client, tokens - special) for tokens in (context - 1, context))
    except errors.TextTooLong:
        detail = f"a text of {context} tokens or one less is refused; set options.num_ctx to fewer"
        untried = Verdict(TRUNCATION, "not known", "the context is not what the server tells")
        return [Verdict(BOUNDARY, "broken", detail), untried]
    long = _words(context + 1 - special)
    refusal = _refusal(client, context, long, below, full)
    return [refusal, _cutting(client, context, long, below, full)]


def _special_tokens(client: Client, limits: Limits) -> int:
    """Return the tokens the model adds to a text.

    Raises:
        _NotToBeTried: The boundary is not known, too far away, or cannot be met exactly.
    """
    if limits.context_source == "assumed":
        raise _NotToBeTried("the endpoint does not tell how many tokens the model reads")
    if not SHORTEST <= limits.context <= LONGEST:
        raise _NotToBeTried(
            f"the model reads {limits.context} tokens; {SHORTEST} to {LONGEST} can be tried"
        )
    words = len(WORDS.split())
    one, all_of_them = (_counted(client, limits, _words(count)) for count in (1, words))
    if one is None or all_of_them is None:
        raise _NotToBeTried("nobody counts tokens: the endpoint does not, its tokenizer is unknown")
    if all_of_them - one != words - 1:
        raise _NotToBeTried("the model's tokenizer takes the words of this test apart")
    return one - 1


def _words(count: int) -> str:
    return " ".join(islice(cycle(WORDS.split()), count))


def _counted(client: Client, limits: Limits, text: str) -> int | None:
    """Return a text's tokens, special ones included, as the endpoint or else its tokenizer says."""
    counted = client.embed([text]).answer.token_count
    if counted is None and limits.tokenizer is not None:
        counted = limits.tokenizer.count([text])[0]
    return counted


def _read(client: Client, words: int) -> _Read:
    answer = client.embed([_words(words)]).answer
    return _Read(answer.vectors[0], answer.token_count)


def _refusal(client: Client, context: int, long: str, below: _Read, full: _Read) -> Verdict:
    """Judge whether the context is read whole, and a text of one more token is refused."""
    if full.counted not in (None, context) or np.abs(below.vector - full.vector).max() <= SAME:
        detail = f"of {context} tokens not all are read; set options.num_ctx to fewer"
        return Verdict(BOUNDARY, "broken", detail)
    try:
        client.embed([long])
    except errors.TextTooLong:
        detail = f"{context - 1} and {context} tokens are read, {context + 1} refused"
        return Verdict(BOUNDARY, "holds", detail)
    detail = (
        f"{context + 1} tokens are taken although they may not be cut, so what is cut is not seen; "
        "set tokens.tokenizer, so that it is counted here"
    )
    return Verdict(BOUNDARY, "broken", detail)


def _cutting(client: Client, context: int, long: str, below: _Read, full: _Read) -> Verdict:
    """Judge whether a text that is too long and may be cut gets the vector of its head."""
    try:
        cut = client.embed([long], truncate=True).answer.vectors[0]
    except errors.TextTooLong:
        detail = f"{context + 1} tokens are refused although they may be cut; runs cut them before"
        return Verdict(TRUNCATION, "broken", detail)
    cosine = float(cut @ full.vector)
    cure = "set tokens.tokenizer, so that texts are cut here, or use another server"
    if cosine < LEAST_COSINE:
        seen = f"{context + 1} tokens, cut, have not the vector of their first {context}"
        return Verdict(TRUNCATION, "broken", f"{seen}: cosine {cosine:.3f}; {cure}")
    if float(cut @ below.vector) > cosine:
        detail = f"{context + 1} tokens are cut to {context - 1}, not to {context}; {cure}"
        return Verdict(TRUNCATION, "broken", detail)
    seen = f"{context + 1} tokens, cut, have the vector of their first {context}"
    return Verdict(TRUNCATION, "holds", f"{seen}, cosine {cosine:.6f}")
