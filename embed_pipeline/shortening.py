"""A text the endpoint refuses as too long: its longest head that the endpoint accepts."""

from collections.abc import Callable
from typing import NamedTuple

from embed_pipeline import errors
from embed_pipeline.client import Embeds, Tries
from embed_pipeline.counting import split_otherwise
from embed_pipeline.outcomes import Effort, Vector
from embed_pipeline.sizing import Prepared, Sizing, cut
from embed_pipeline.tokens import applied

MOST_CHARACTERS = 8  # that a token of a text can be worth, where the tokenizer is not known


class _Head(NamedTuple):
    """Hold a head that was accepted, by its size, with what came back."""

    size: int
    tries: Tries


def embed_head(client: Embeds, text: Prepared, sizing: Sizing, effort: Effort) -> Vector:
    """Embed the longest head of a text that was refused as too long when it was sent alone.

    Where the tokenizer is known, the head ends with a token, and is found by halving: the endpoint
    splits this text its own way, or reads less than it tells. Where it is not, the endpoint is
    asked to cut; one that refuses even that, as some versions do for words they do not know, is
    asked with ever shorter heads, which end with a word.

    Raises:
        EndpointError: No head is accepted, or another error came in between.
    """
    tokenizer = sizing.limits.tokenizer
    if tokenizer is not None and text.tokens is not None:

        def to_tokens(size: int) -> str:
            return cut(text.whole, tokenizer, size, prefix).text

        prefix = sizing.tokens.prefix
        least = tokenizer.count([applied(prefix, "")])[0]
        best = _longest(client, to_tokens, least, text.tokens, effort)
        if not split_otherwise(text.text):
            sizing.learn(best.size)
        return _vector(best.tries, best.size)
    try:
        tries = client.embed([text.text], truncate=True)
    except errors.TextTooLong as error:
        effort.count(error)
    else:
        effort.add(tries)
        return _vector(tries, sizing.limits.context)
    most = min(len(text.whole), MOST_CHARACTERS * sizing.limits.context) + 1

    def to_words(size: int) -> str:
        return applied(sizing.tokens.prefix, _words(text.whole, size))

    best = _longest(client, to_words, 0, most, effort)
    return _vector(best.tries, sizing.limits.context)


def _longest(
    client: Embeds, head: Callable[[int], str], low: int, high: int, effort: Effort
) -> _Head:
    """Find the greatest size below `high` and above `low` whose head is accepted."""
    best: _Head | None = None
    refused: errors.TextTooLong | None = None
    while high - low > 1:
        middle = (low + high) // 2
        try:
            tries = client.embed([head(middle)])
        except errors.TextTooLong as error:
            effort.count(error)
            high, refused = middle, error
        else:
            effort.add(tries)
            low, best = middle, _Head(middle, tries)
    if best is None:
        raise refused or errors.TextTooLong("not even one token of the text is accepted")
    return best


def _words(text: str, size: int) -> str:
    """Return a head of at most `size` characters, cut between words where there are any."""
    head = text[:size]
    if size >= len(text) or text[size].isspace():
        return head
    start = max((head.rfind(blank) for blank in " \t\n"), default=-1)
    return head[:start] if start >= size // 2 else head


def _vector(tries: Tries, context: int) -> Vector:
    """Return the vector of a text that was cut; uncounted, it has as many tokens as are read."""
    count = tries.answer.token_count
    if count is None:
        return Vector(tries.answer.vectors[0], context, "estimated", True)
    return Vector(tries.answer.vectors[0], count, "server", True)
