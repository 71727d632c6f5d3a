"""A sample of rows whose texts are sent again, alone: is the count a row carries the endpoint's?

In a request of several texts errors of single counts can cancel. A text that is sent alone has a
count of its own, which nothing can cancel.
"""

import heapq
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from embed_pipeline import errors, interrupt
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.pool import Pool
from embed_pipeline.records import TokenCountSource

LEAST_SHARE = 0.9  # of verified counts that a sample confirms, if the tokenizer is the model's
ATTEMPTS = 2  # of each text: its row is there, whatever comes of this


class Sampled(NamedTuple):
    """Hold a row of the sample.

    Attributes:
        rank: The hash of the row's id (CRC-32): rows with the lowest ranks are drawn, so
            that the sample is random but the same in every run.
        text: As it was sent.
        token_count, token_count_source: As the row carries them.
    """

    rank: int
    text: str
    token_count: int
    token_count_source: TokenCountSource


def rank_of(identity: str) -> int:
    """Return the rank of an id: 32 bits, evenly spread; cheap, as it is taken of every row."""
    return zlib.crc32(identity.encode())


def lowest(samples: Iterable[Iterable[Sampled]], count: int) -> list[Sampled]:
    """Merge samples into one: the `count` rows with the lowest ranks."""
    return heapq.nsmallest(count, (one for sample in samples for one in sample))


class Sample(NamedTuple):
    """Hold what one bundle has drawn, and the digest of the model that made its vectors."""

    digest: str
    rows: list[Sampled]


class Sampler:
    """Draw rows as they come by; holds at most twice `count` of them.

    Args:
        count: Rows to draw; 0 draws none.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._drawn: list[Sampled] = []
        self._bound = 1 << 32 if count else 0

    def add(self, identity: str, text: str, tokens: int, source: TokenCountSource) -> None:
        """Take a row; one whose text went alone has the endpoint's count, and is not drawn."""
        if source == "server" or not self._bound:
            return
        rank = rank_of(identity)
        if rank >= self._bound:
            return
        self._drawn.append(Sampled(rank, text, tokens, source))
        if len(self._drawn) >= 2 * self._count:
            self._drawn = lowest([self._drawn], self._count)
            self._bound = self._drawn[-1].rank

    def drawn(self) -> list[Sampled]:
        """Return the rows that were drawn."""
        return lowest([self._drawn], self._count)


Recount = dict[str, dict[str, int]]


def recount(sampled: Sequence[Sampled], endpoint: Endpoint, retry: Retry) -> Recount:
    """Send each text alone; tell for each token_count_source how many were asked and agreed.

    A text that gets no answer now, or no count, is not counted as asked.

    Returns:
        Such as {"verified": {"asked": 100, "agreed": 100}}; empty where nothing was asked.
    """
    found: Recount = {}
    hurried = retry.model_copy(update={"attempts": min(retry.attempts, ATTEMPTS)})
    with Pool(endpoint, hurried) as client:
        for one in sampled:
            if interrupt.stop_requested():
                break
            try:
                count = client.embed([one.text]).answer.token_count
            except (errors.RequestTimedOut, errors.ConnectionFailed, errors.ConnectionLost):
                break  # the rows are there; an endpoint in trouble is not waited for each time
            except errors.EndpointError:
                continue
            if count is not None:
                tally = found.setdefault(one.token_count_source, {"asked": 0, "agreed": 0})
                tally["asked"] += 1
                tally["agreed"] += count == one.token_count
    return dict(sorted(found.items()))


def contradicted(found: Mapping[str, Mapping[str, int]]) -> str | None:
    """Return what to say where the sample contradicts counts that were called verified, or None."""
    verified = found.get("verified", {"asked": 0, "agreed": 0})
    asked, agreed = verified["asked"], verified["agreed"]
    if agreed >= LEAST_SHARE * asked:
        return None
    return (
        f"only {agreed} of {asked} verified token counts were confirmed when their texts were sent "
        "again alone, so token_count and truncated cannot be trusted; set tokens.tokenizer to the "
        "tokenizer.json that was published with the model, and embed again"
    )
