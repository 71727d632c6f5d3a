"""Token counts per text, from what was counted here and what the endpoint counts per request."""

import logging
import re
import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from embed_pipeline.records import TokenCountSource
from embed_pipeline.tokenizer import LONGEST_WORD, SPECIAL_TOKENS

CONTRADICTIONS = 8  # requests, none before them agreeing, after which a tokenizer is not trusted

CHARACTERS_A_TOKEN = 4  # of a text whose tokens nobody counts
MOST_TOKENS = 4  # that a character which servers split their own way makes more or less

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
    total: int | None,
    texts: Sequence[str],
    counted: Sequence[int] | None,
    *,
    may_be_cut: bool = False,
    most: int | None = None,
) -> list[Count]:
    """Return what each text of a request cost.

    The counts add up to `total`, whatever their sources.

    - A text that went alone has the endpoint's own count.
    - Where the counts made here add up to the endpoint's, they hold: "verified". Errors could
      cancel in the sum, so that is not certainty.
    - Where they do not, the difference goes to the texts that servers are known to split their own
      way, in proportion to how much of that they hold: "estimated". The others keep their counts.
    - Where such texts cannot explain it, because it is too large or texts may have been cut, or
      where nothing was counted here, each text has a share of the total by its count, or by its
      length: "estimated".
    - Where the endpoint does not count, each text has its count from here, or one by its length,
      CHARACTERS_A_TOKEN to each: "estimated".

    Args:
        total: What the endpoint counted for the request; None where it did not say.
        texts: The request's texts, as sent.
        counted: The tokens counted here, or None where the tokenizer is not known.
        may_be_cut: Whether the endpoint may have cut texts unseen.
        most: Tokens a text may have: none gets more of a difference.
    """
    if total is None:
        by_length = [max(1, len(text) // CHARACTERS_A_TOKEN) for text in texts]
        return [Count(one, "estimated") for one in counted or by_length]
    if len(texts) == 1:
        return [Count(total, "server")]
    if counted is None:
        shares = shared_out(total, [len(text) + 1 for text in texts])  # an empty text costs, too
        return [Count(share, "estimated") for share in shares]
    difference = total - sum(counted)
    if difference == 0:
        return [Count(one, "verified") for one in counted]
    odd = [split_otherwise(text) for text in texts]
    full = most if most is not None and difference > 0 else None
    weights = [
        0 if full is not None and one >= full else weight
        for one, weight in zip(counted, odd, strict=True)
    ]
    cut = may_be_cut and difference < 0
    explained = None if cut else explained_by(counted, weights, difference)
    if explained is None:
        return [Count(share, "estimated") for share in shared_out(total, counted)]
    return [
        Count(tokens, "estimated" if weight else "verified")
        for tokens, weight in zip(explained, odd, strict=True)
    ]


def split_otherwise(text: str) -> int:
    """Return how many characters of a text servers are known to split their own way."""
    return sum(map(len, _SPLIT_OTHERWISE.findall(text)))


def explained_by(
    counted: Sequence[int], weights: Sequence[int], difference: int
) -> list[int] | None:
    """Put a difference on the texts with a weight; None where they cannot carry it.

    A character that is split otherwise makes a difference of MOST_TOKENS at most: the bytes of a
    character instead of one token, or one unknown word instead of the parts of its letters.
    """
    if abs(difference) > MOST_TOKENS * sum(weights) or not any(weights):
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
        difference = total - sum(counted)
        agrees = difference == 0
        if not agrees and explained_by(counted, [*map(split_otherwise, texts)], difference):
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
