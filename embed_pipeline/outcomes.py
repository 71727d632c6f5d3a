"""What became of texts that were sent, and what it took."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embed_pipeline.client import Tries
from embed_pipeline.errors import EndpointError, FailedTry
from embed_pipeline.records import Blame, TokenCountSource


class Vector(NamedTuple):
    """Hold one text's vector (float32, unit length), what it cost, and whether it was cut."""

    vector: NDArray[np.float32]
    token_count: int
    token_count_source: TokenCountSource
    truncated: bool | None


class Failure(NamedTuple):
    """Hold why one text has no vector, how often it was tried, and whose fault it is.

    The blame is the document's where it failed alone, with a text that always should succeed doing
    so before and after; the server's where that could not be had.
    """

    error: EndpointError
    attempts: int
    blame: Blame = "document"


class Answered(NamedTuple):
    """Hold what is counted of a request that was answered well.

    Attributes:
        address: Where it was sent, without secrets.
        texts, tokens: Those of the corpus among what it brought, as the endpoint counts them; none
            where it only found something out.
        wall_ms: Its duration, in milliseconds.
        total_ns, load_ns: The endpoint's own times.
    """

    address: str
    texts: int
    tokens: int
    wall_ms: int
    total_ns: int
    load_ns: int


@dataclass
class Effort:
    """Count what it took to embed some texts.

    Attributes:
        requests: Requests sent that were to bring vectors.
        retries: Those among them that repeated an earlier one.
        tokens: What the endpoint counted.
        server_ms, load_ms: The endpoint's own times.
        throttled_s: Seconds waited because it was too busy.
        lost_s: Seconds of requests that failed, and of all waits after them.
        reloads: Loads of the model that requests waited for; one that several waited for counts
            once.
        isolated: Requests that were cut in halves, to tell their texts apart.
        timed_out: Those among them that were cut because no answer came in time.
        suspects: Pairs of different texts with the same vector.
        shared: Those among them that share it rightly.
        faults: How often each kind of error was met.
        request_ms: Duration of each successful request.
        batch_texts: Texts in each successful request.
        answered: The requests that were answered well.
        failed_tries: Those that were not.
        asked_s: Seconds of all of them, the waits between tries included.
        ended: When the last one was, in seconds since the epoch.
    """

    requests: int = 0
    retries: int = 0
    tokens: int = 0
    server_ms: float = 0.0
    load_ms: float = 0.0
    throttled_s: float = 0.0
    lost_s: float = 0.0
    reloads: int = 0
    isolated: int = 0
    timed_out: int = 0
    suspects: int = 0
    shared: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    request_ms: list[int] = field(default_factory=list)
    batch_texts: list[int] = field(default_factory=list)
    answered: list[Answered] = field(default_factory=list)
    failed_tries: list[FailedTry] = field(default_factory=list)
    asked_s: float = 0.0
    ended: float = field(default=0.0, compare=False)

    def count(self, tries: Tries | EndpointError) -> None:
        """Count the tries of one request, whether it succeeded in the end or not."""
        self._count_tries(tries)
        if isinstance(tries, Tries):
            self._count_answer(tries, 0, 0)
        else:
            self.asked_s += tries.lost_s

    def _count_tries(self, tries: Tries | EndpointError) -> None:
        self.requests += tries.attempts
        self.retries += max(0, tries.attempts - 1)
        self.throttled_s += tries.throttled_s
        self.lost_s += tries.lost_s
        for kind, number in tries.faults.items():
            self.faults[kind] = self.faults.get(kind, 0) + number
        self.failed_tries += tries.failed_tries

    def _count_answer(self, tries: Tries, texts: int, tokens: int) -> None:
        found = tries.answer
        self.asked_s += tries.seconds
        self.answered.append(
            Answered(tries.address, texts, tokens, tries.wall_ms, found.total_ns, found.load_ns)
        )

    def add(self, tries: Tries) -> None:
        """Count one successful request that brought vectors of the corpus."""
        self._count_tries(tries)
        texts, tokens = len(tries.answer.vectors), tries.answer.token_count or 0
        self._count_answer(tries, texts, tokens)
        self.reloads += tries.reloaded
        self.tokens += tokens
        self.server_ms += tries.answer.total_ns / 1e6
        self.load_ms += tries.answer.load_ns / 1e6
        self.request_ms.append(tries.wall_ms)
        self.batch_texts.append(texts)

    def totals(self) -> dict[str, float]:
        """Return what adds up over a run, by name; times are in seconds."""
        return {
            "requests": self.requests,
            "retries": self.retries,
            "server_s": self.server_ms / 1000,
            "load_s": self.load_ms / 1000,
            "throttled_s": self.throttled_s,
            "lost_s": self.lost_s,
            "reloads": self.reloads,
            "isolated": self.isolated,
            "suspects": self.suspects,
            "shared": self.shared,
            **{f"faults.{kind}": number for kind, number in self.faults.items()},
        }


def added_up(tallies: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the sum of each name's numbers."""
    total: dict[str, float] = {}
    for tally in tallies:
        for name, number in tally.items():
            total[name] = total.get(name, 0) + number
    return total


Outcome = tuple[list[Vector | Failure], Effort]
