"""What is known of texts' sizes: texts are prefixed, counted and cut by it before they are sent."""

import logging
import re
import threading
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from embed_pipeline.counting import Count, Trust, attributed
from embed_pipeline.errors import TextTooLong
from embed_pipeline.limits import Limits, warn_once
from embed_pipeline.tokenizer import ModelTokenizer
from embed_pipeline.tokens import Tokens, applied

CHARACTERS_A_TOKEN = 3  # less than a token of most texts is worth

WINDOW_CHARACTERS = 6  # for each token of a head: more than most texts need
LOOKED_AT = 1_000  # characters in which a blank is looked for

_BLANK = re.compile(r"\s")
_log = logging.getLogger("embed_pipeline")


class Prepared(NamedTuple):
    """Hold a text that is ready to be sent.

    Attributes:
        text: As it is sent, prefix and all.
        tokens: What was counted here, or None where the tokenizer is not known.
        cut: Whether its tail was cut off here.
        whole: The text as it came.
    """

    text: str
    tokens: int | None
    cut: bool
    whole: str


class Sizing:
    """Prepare texts and tell what each one cost. May be shared by threads.

    Args:
        limits: What bounds a text.
        tokens: Prefix, and what becomes of texts that are too long.
    """

    def __init__(self, limits: Limits, tokens: Tokens) -> None:
        self.limits = limits
        self.tokens = tokens
        self._trust = Trust()
        self._lock = threading.Lock()

    def prepare(self, texts: Sequence[str]) -> list[Prepared | TextTooLong]:
        """Make texts ready to be sent; one that is too long is cut, or refused, as settings say.

        Where the tokenizer is not known nothing is counted, and whether a text is too long is left
        for the endpoint to say.

        Returns:
            As many results as texts, in their order.
        """
        limits, prefix = self.limits, self.tokens.prefix
        sent = [applied(prefix, text) for text in texts] if prefix else texts
        if limits.tokenizer is None:
            return [Prepared(one, None, False, text) for one, text in zip(sent, texts, strict=True)]
        counts = limits.tokenizer.count(sent)
        found: list[Prepared | TextTooLong] = []
        for text, one, count in zip(texts, sent, counts, strict=True):
            if count <= limits.context:
                found.append(Prepared(one, count, False, text))
            elif self.tokens.on_too_long == "fail":
                found.append(_too_long(count, limits.context))
            else:
                found.append(cut(text, limits.tokenizer, limits.context, prefix))
        return found

    def may_be_too_long(self, text: Prepared) -> bool:
        """Tell whether a text that was not counted may be too long, so that it should go alone.

        A request that is refused for one text is refused after the others were computed.
        """
        return text.tokens is None and len(text.text) > CHARACTERS_A_TOKEN * self.limits.context

    def counts(self, total: int | None, texts: Sequence[Prepared]) -> list[Count]:
        """Return what each text of a request cost, which the endpoint counted as `total`."""
        sent = [one.text for one in texts]
        counted = [one.tokens for one in texts if one.tokens is not None]
        if len(counted) < len(texts) or self.limits.tokenizer is None:
            if total is None:
                warn_once("the endpoint does not count tokens: counts are estimates by length")
            return attributed(total, sent, None)
        self._trust.note(sent, total, counted)
        if self._trust.lost:
            with self._lock:
                self.limits = self.limits._replace(tokenizer=None)
            return attributed(total, sent, None)
        return attributed(
            total, sent, counted, may_be_cut=not self.limits.refuses, most=self.limits.context
        )

    def truncated(self, texts: Sequence[Prepared], counts: Sequence[Count]) -> list[bool | None]:
        """Tell of texts that were accepted whether each vector is that of the text's head only."""
        if self.limits.refuses:
            return [text.cut for text in texts]
        known = self.limits.tokenizer is not None or self.limits.context_source != "assumed"
        if not known:
            return [text.cut or None for text in texts]
        return [self._may_be_cut(*pair) for pair in zip(texts, counts, strict=True)]

    def _may_be_cut(self, text: Prepared, count: Count) -> bool | None:
        """Tell of a text, where the limits are known, whether the endpoint may have cut it."""
        if text.cut:
            return True
        exact = count.source in ("server", "verified")
        short = count.tokens < self.limits.context or count.tokens == text.tokens
        return False if exact and short else None

    def learn(self, context: int) -> None:
        """Take note that the endpoint refuses what has more tokens than this."""
        with self._lock:
            if context >= self.limits.context:
                return
            before, self.limits = self.limits.context, self.limits._replace(context=context)
        _log.warning(
            "the endpoint refuses a text of more than %d tokens, though it tells a context of %d: "
            "texts are cut there from here on; setting num_batch as well as num_ctx in "
            "endpoint.options may help",
            context,
            before,
        )


def _too_long(count: int, context: int) -> TextTooLong:
    return TextTooLong(
        f"the text has {count} tokens and the model reads {context}; nothing was sent of it, as "
        "tokens.on_too_long is 'fail': shorten it, or set that to truncate or chunk"
    )


def cut(text: str, tokenizer: ModelTokenizer, limit: int, prefix: str) -> Prepared:
    """Return the longest head of a text that fits, cut where a token ends.

    The head is counted as it is sent: tokens may change where a text is cut, and where it meets
    its prefix.

    Args:
        text: A text that is too long.
        tokenizer: The model's.
        limit: Tokens of what is sent at most, special tokens and prefix included; more than the
            prefix alone has.
        prefix: As in the settings.
    """
    room = limit - tokenizer.count([applied(prefix, "")])[0]
    ends = _first_ends(text, tokenizer, max(room, 1))
    kept = min(room, len(ends))
    while True:
        head = text[: ends[kept - 1]] if kept > 0 else ""
        sent = applied(prefix, head)
        count = tokenizer.count([sent])[0]
        if count <= limit or kept <= 0:
            return Prepared(sent, count, True, text)
        kept = bisect_left(ends, ends[kept - 1])  # without the character that ends there


def _first_ends(text: str, tokenizer: ModelTokenizer, count: int) -> list[int]:
    """Return where the first `count` tokens of a text end, and at least one more if there is one.

    Only as much of the text is looked at as that takes, up to a blank: behind one the tokens do not
    change those before it.
    """
    size = WINDOW_CHARACTERS * count
    while size < len(text):
        blank = _BLANK.search(text, size, size + LOOKED_AT)
        ends = tokenizer.ends(text[: blank.start()]) if blank else []
        if len(ends) > count:
            return ends
        size *= 2
    return tokenizer.ends(text)
