"""How much an endpoint's model reads, and how its tokens are counted: found before the first text.

A text may have as many tokens as the context the server loaded the model with, which `/api/ps`
tells. The registry's settings and the model's own may say something else; they are not asked.
"""

import logging
from functools import cache
from typing import Any, Literal, NamedTuple

from embed_pipeline import errors
from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.identity import told_context
from embed_pipeline.tokenizer import ModelTokenizer, from_model_info, read_tokenizer
from embed_pipeline.tokens import Tokens, applied

ContextSource = Literal["server", "probed", "assumed"]

ASSUMED_CONTEXT = 256  # tokens; the least that models for embeddings in common use read
PROBE_WORD = "a "
PROBED_WORDS = (600, 2_400, 9_600, 38_400)
# Texts on which every server's tokenizer of a model agrees with the model's own.
PLAIN_TEXTS = (
    "the sky is blue",
    "A Book about the HISTORY of Water",
    "One two THREE four Five",
)

_log = logging.getLogger("embed_pipeline")


class Limits(NamedTuple):
    """Hold what bounds a text.

    Attributes:
        context: Tokens a text may have, special tokens and prefix included.
        context_source: Whether the server told it, it was found by asking with a long text, or it
            is assumed to be small.
        refuses: Whether the server refuses a text that is too long when it is asked not to cut it;
            where it does not, it may cut texts unseen.
        tokenizer: The model's tokenizer, or None where it is not known.
    """

    context: int
    context_source: ContextSource
    refuses: bool
    tokenizer: ModelTokenizer | None


def find_limits(client: Client, endpoint: Endpoint, tokens: Tokens) -> Limits:
    """Ask an endpoint, whose model is loaded, what bounds a text.

    Raises:
        ConfigError: `tokens.tokenizer` is no tokenizer, the prefix leaves no room for a text, or
            texts that are too long are to fail where the endpoint takes them unseen.
        EndpointError: The endpoint does not answer.
    """
    tokenizer = _tokenizer(client, endpoint, tokens)
    context, source = _context(client, endpoint)
    refuses, read = _asked_too_long(client, context)
    if read is not None and read < context:
        context, source = read, "probed"
    found = Limits(context, source, refuses, tokenizer)
    if not refuses and tokenizer is None:
        _check_unseen(endpoint, tokens)
    for prefix, setting in ((tokens.prefix, "prefix"), (tokens.query_prefix, "query_prefix")):
        if prefix:
            _check_prefix(client, found, prefix, setting)
    return found


def _tokenizer(client: Client, endpoint: Endpoint, tokens: Tokens) -> ModelTokenizer | None:
    """Return the first tokenizer that counts plain texts as the endpoint does."""
    if tokens.tokenizer is not None:
        found = read_tokenizer(tokens.tokenizer)
        if _agrees(client, endpoint, found, tokens.tokenizer):
            return found
    told = from_model_info(_model_info(client))
    if told is not None and _agrees(client, endpoint, told, "the vocabulary it tells"):
        return told
    warn_once(
        f"{_told(endpoint, 'does', 'do')} not tell the tokenizer of '{endpoint.model}', so "
        "token counts are estimates; set tokens.tokenizer to the tokenizer.json that was "
        "published with it"
    )
    return None


def _told(endpoint: Endpoint, one: str, several: str) -> str:
    """Return the addresses with the verb that goes with so many."""
    return f"{endpoint.masked_url} {one if len(endpoint.urls) == 1 else several}"


def _agrees(client: Client, endpoint: Endpoint, tokenizer: ModelTokenizer, origin: str) -> bool:
    """Tell whether a tokenizer counts plain texts as the endpoint does; warn where it does not."""
    try:
        total = client.embed(PLAIN_TEXTS).answer.token_count
    except errors.TextTooLong:  # a context of a few tokens: they contradict nothing
        return True
    counted = sum(tokenizer.count(PLAIN_TEXTS))
    if total is None or total == counted:
        return True
    warn_once(
        f"{_told(endpoint, 'counts', 'count')} {total} tokens in plain texts where the "
        f"tokenizer made of {origin} counts {counted}: that is not the model's, and is not used"
    )
    return False


def _model_info(client: Client) -> dict[str, Any]:
    """Return what the server tells of the model, vocabulary and all; nothing from older ones."""
    try:
        found = client.show()
    except (errors.NotAnEndpoint, errors.RequestRejected, errors.ModelNotFound):
        return {}
    info = found.get("model_info")
    return info if isinstance(info, dict) else {}


def _context(client: Client, endpoint: Endpoint) -> tuple[int, ContextSource]:
    """Return the context the loaded model has, and how that was found."""
    told = told_context(client, endpoint)
    if told is not None:
        return told, "server"
    probed = _probed_context(client)
    if probed is not None:
        return probed, "probed"
    warn_once(
        f"{_told(endpoint, 'does', 'do')} not tell how many tokens the model reads, and "
        f"asking with long texts does not show it: {ASSUMED_CONTEXT} are assumed"
    )
    return ASSUMED_CONTEXT, "assumed"


@cache
def warn_once(text: str) -> None:
    """Warn, once in a process: several steps of a job ask the same endpoint."""
    _log.warning("%s", text)


def _probed_context(client: Client) -> int | None:
    """Find the context by letting the server cut long texts: what it then counts is the context."""
    _log.debug("probing the context with long texts, which may be refused")
    for words in PROBED_WORDS:
        try:
            count = client.embed([PROBE_WORD * words], tries=1, truncate=True).answer.token_count
        except errors.EndpointError as error:
            if error.scope == "job":
                raise
            return None
        if count is None:
            return None
        if count < words:
            return count
    return None


def _asked_too_long(client: Client, context: int) -> tuple[bool, int | None]:
    """Ask with a text that is too long and may not be cut.

    Returns:
        Whether it is refused; and where it is not, how many tokens were read of it, if that is
        told.
    """
    _log.debug("probing with a text of more tokens than the context, which may be refused")
    try:
        return False, client.embed([PROBE_WORD * (context + 1)], tries=1).answer.token_count
    except errors.TextTooLong:
        return True, None
    except errors.EndpointError as error:
        if error.scope == "job":
            raise
        return False, None


def _check_unseen(endpoint: Endpoint, tokens: Tokens) -> None:
    """Tell of an endpoint that may cut texts unseen.

    Raises:
        ConfigError: Texts that are too long are to fail, which cannot be promised.
    """
    what = (
        f"{endpoint.masked_url} takes texts that are too long although it may not cut them, and "
        "the model's tokenizer is not known"
    )
    cure = "set tokens.tokenizer to the tokenizer.json that was published with the model"
    if tokens.on_too_long == "fail":
        raise errors.ConfigError(f"{what}, so tokens.on_too_long cannot be 'fail': {cure}")
    warn_once(f"{what}, so it cannot be told of every text whether it was cut: {cure}")


def _check_prefix(client: Client, limits: Limits, prefix: str, setting: str) -> None:
    """Refuse a prefix that leaves no room for a text.

    Raises:
        ConfigError: It does.
    """
    alone = applied(prefix, "")
    if limits.tokenizer is not None:
        count: int | None = limits.tokenizer.count([alone])[0]
    else:
        try:
            count = client.embed([alone]).answer.token_count
        except errors.TextTooLong:
            count = limits.context + 1
    if count is not None and count >= limits.context:
        raise errors.ConfigError(
            f"tokens.{setting} has {count} tokens, and the model reads {limits.context}: no text "
            "would be left; shorten it, or use a model with a longer context"
        )
