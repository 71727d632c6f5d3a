"""What became of texts that were sent, and what it took."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embed_pipeline.client import Tries
from embed_pipeline.errors import EndpointError
from embed_pipeline.records import TokenCountSource


class Vector(NamedTuple):
    """Hold one text's vector (float32, unit length), what it cost, and whether it was cut."""

    vector: NDArray[np.float32]
    token_count: int
    token_count_source: TokenCountSource
    truncated: bool | None


class Failure(NamedTuple):
    """Hold why one text has no vector, and how often it was tried."""

    error: EndpointError
    attempts: int


@dataclass
class Effort:
    """Count what it took to embed some texts.

    Attributes:
        requests: Requests sent.
        retries: Those among them that repeated an earlier one.
        tokens: What the endpoint counted.
        server_ms, load_ms: The endpoint's own times.
        throttled_s: Seconds waited because it was too busy.
        request_ms: Duration of each successful request.
        batch_texts: Texts in each successful request.
    """

    requests: int = 0
    retries: int = 0
    tokens: int = 0
    server_ms: float = 0.0
    load_ms: float = 0.0
    throttled_s: float = 0.0
    request_ms: list[int] = field(default_factory=list)
    batch_texts: list[int] = field(default_factory=list)

    def count(self, attempts: int) -> None:
        """Count the tries of one request."""
        self.requests += attempts
        self.retries += attempts - 1

    def add(self, tries: Tries) -> None:
        """Count one successful request."""
        self.count(tries.attempts)
        self.tokens += tries.answer.token_count or 0
        self.server_ms += tries.answer.total_ns / 1e6
        self.load_ms += tries.answer.load_ns / 1e6
        self.throttled_s += tries.throttled_s
        self.request_ms.append(tries.wall_ms)
        self.batch_texts.append(len(tries.answer.vectors))

    def totals(self) -> dict[str, float]:
        """Return what adds up over a run, by name; times are in seconds."""
        return {
            "requests": self.requests,
            "retries": self.retries,
            "server_s": self.server_ms / 1000,
            "load_s": self.load_ms / 1000,
            "throttled_s": self.throttled_s,
        }


def added_up(tallies: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the sum of each name's numbers."""
    total: dict[str, float] = {}
    for tally in tallies:
        for name, number in tally.items():
            total[name] = total.get(name, 0) + number
    return total


Outcome = tuple[list[Vector | Failure], Effort]
