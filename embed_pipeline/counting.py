"""Token counts per text, from what was counted here and what the endpoint counts per request."""

import logging
import re
import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from embed_pipeline.records import TokenCountSource
from embed_pipeline.tokenizer import LONGEST_WORD, SPECIAL_TOKENS

CONTRADICTIONS = (
    8  # requests in a row, from the first on, after which a tokenizer is not the model's
)

# What servers are known to split their own way: anything but ASCII, control characters, nine
# symbols that touch words, the special tokens spelled out, and very long words.
_SPLIT_OTHERWISE = re.compile(
    "|".join(
        [
            r"[^\t\n\r\x20-\x7e]",
            r"[$+<=>^`|~]",
            *map(re.escape, SPECIAL_TOKENS),
            rf"[^\s]{{{LONGEST_WORD + 1},}}",
        ]
    )
)

_log = logging.getLogger("embed_pipeline")


class Count(NamedTuple):
    """Hold a text's tokens, special tokens included, and how far that is known."""

    tokens: int
    source: TokenCountSource


def attributed(
    total: int | None, texts: Sequence[str], counted: Sequence[int] | None
) -> list[Count]:
    """Return what each text of a request cost.

    The counts add up to `total`, whatever their sources.

    - A text that went alone has the endpoint's own count.
    - Where the counts made here add up to the endpoint's, they hold: "verified". Errors could
      cancel in the sum, so that is not certainty.
    - Where they do not, the difference goes to the texts that servers are known to split their own
      way, in proportion to how much of that they hold: "estimated". The others keep their counts.
    - Where no such text can explain it, or nothing was counted here, each text has a share of the
      total by its count, or by its length: "estimated".

    Args:
        total: What the endpoint counted for the request; None where it did not say.
        texts: The request's texts, as sent.
        counted: The tokens counted here, or None where the tokenizer is not known.
    """
    if total is None:
        return [Count(one, "estimated") for one in counted or [0] * len(texts)]
    if len(texts) == 1:
        return [Count(total, "server")]
    if counted is None:
        shares = shared_out(total, [len(text) + 1 for text in texts])  # an empty text costs, too
        return [Count(share, "estimated") for share in shares]
    difference = total - sum(counted)
    if difference == 0:
        return [Count(one, "verified") for one in counted]
    weights = [split_otherwise(text) for text in texts]
    explained = _explained(counted, weights, difference)
    if explained is None:
        return [Count(share, "estimated") for share in shared_out(total, counted)]
    return [
        Count(tokens, "estimated" if weight else "verified")
        for tokens, weight in zip(explained, weights, strict=True)
    ]


def split_otherwise(text: str) -> int:
    """Return how many places of a text servers are known to split their own way."""
    return len(_SPLIT_OTHERWISE.findall(text))


def _explained(counted: Sequence[int], weights: Sequence[int], difference: int) -> list[int] | None:
    """Put a difference on the texts with a weight; None where they cannot carry it."""
    if not any(weights):
        return None
    shares = shared_out(abs(difference), weights)
    sign = 1 if difference > 0 else -1
    found = [one + sign * share for one, share in zip(counted, shares, strict=True)]
    return found if min(found) > 0 else None


def shared_out(total: int, weights: Sequence[int]) -> list[int]:
    """Share a whole number out in proportion to weights, so that the sum is kept.

    The largest remainders get what rounding down leaves over; among equals, the first.

    Args:
        total: Not negative.
        weights: Not negative, and not all zero.
    """
    weight = np.asarray(weights, dtype=np.float64)
    exact = weight * (total / weight.sum())
    shares = np.floor(exact).astype(np.int64)
    left = total - int(shares.sum())
    if left:
        shares[np.argsort(shares - exact, kind="stable")[:left]] += 1
    counts: list[int] = shares.tolist()
    return counts


class Trust:
    """Watch whether a tokenizer counts as the endpoint does. May be shared by threads.

    A tokenizer that contradicts the endpoint on each of the first CONTRADICTIONS requests, in ways
    that no text of them explains, is not that of the model: from then on it is not to be used,
    which is said once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contradicted = 0
        self._settled = False
        self.lost = False

    def note(self, texts: Sequence[str], total: int | None, counted: Sequence[int]) -> None:
        """Take one request: its texts, what the endpoint counted, and what was counted here."""
        if self._settled or total is None:
            return
        agrees = total == sum(counted)
        if not agrees and any(map(split_otherwise, texts)):
            return
        with self._lock:
            self._contradicted += not agrees
            if self._settled or (not agrees and self._contradicted < CONTRADICTIONS):
                return
            self._settled = True
            self.lost = not agrees
        if self.lost:
            _log.warning(
                "the tokenizer contradicts the endpoint on each of %d requests, so it is not the "
                "model's: it is not used any more, and token counts are estimated",
                CONTRADICTIONS,
            )
