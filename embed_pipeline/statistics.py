"""The statistics of a run: counted by bundles, a request at a time, and merged in any order.

All that adds up are whole numbers (times are in microseconds), so that a sum does not depend on the
order. Their size is bounded, whatever they are of.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from embed_pipeline.histogram import Histogram
from embed_pipeline.outcomes import Answered, Effort, Failure, Vector
from embed_pipeline.timeline import Timeline

SECOND = 1_000_000  # microseconds
FAULT = "fault:"  # before the kind, among the amounts of an address
_TOKENS = itemgetter(Vector._fields.index("token_count"))


@dataclass
class Statistics:
    """Count what a bundle's requests brought, and where its time went.

    Attributes:
        timeline: By the second a batch of texts came back: texts, their tokens, those that failed,
            requests, and tries that failed.
        times: Microseconds: "wall", "server", "load", "waiting" (see `spend`); and "asked",
            "asked_server", "asked_load", what requests took in all, and by the endpoint's account;
            and "untold", how many answers told no duration.
        request_ms: Durations of requests that brought vectors of the corpus.
        batch_texts: Texts in each of them.
        token_counts: Tokens of each text that has a vector.
        endpoints: For each address without secrets: "requests", "texts" and "tokens" as it counts
            them, "busy" and "rested" in microseconds, and faults by kind.
        faults: Tries that failed, by the name of the error.
        lost: Microseconds those took, with the waits after them.
        span: When the first bundle started and the last one ended, in microseconds since the
            epoch; None before one has ended.
    """

    timeline: Timeline = field(default_factory=Timeline)
    times: Counter[str] = field(default_factory=Counter)
    request_ms: Histogram = field(default_factory=Histogram)
    batch_texts: Histogram = field(default_factory=Histogram)
    token_counts: Histogram = field(default_factory=Histogram)
    endpoints: dict[str, Counter[str]] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    span: tuple[int, int] | None = None

    def count(self, results: Sequence[Vector | Failure], effort: Effort) -> None:
        """Count a batch of texts that came back."""
        failed = 0
        if effort.faults:  # else none has failed
            vectors = [one for one in results if isinstance(one, Vector)]
            failed = len(results) - len(vectors)
            tokens = list(map(_TOKENS, vectors))
            self._count_faults(effort)
        else:
            tokens = list(map(_TOKENS, results))
        self.token_counts.add(tokens)
        faults = sum(effort.faults.values())
        self.times["asked"] += round(SECOND * effort.asked_s)
        self.timeline.add(
            int(effort.ended), (len(results), sum(tokens), failed, effort.requests, faults)
        )
        self.request_ms.add(effort.request_ms)
        self.batch_texts.add(effort.batch_texts)
        for answered in effort.answered:
            self._count_answer(answered)

    def _count_answer(self, answered: Answered) -> None:
        took = 1_000 * answered.wall_ms
        load = min(took, answered.load_ns // 1_000)
        server = min(took, answered.total_ns // 1_000) - load
        times, at = self.times, self._at(answered.address)
        times["asked_load"] += load
        times["asked_server"] += max(0, server)
        times["untold"] += answered.total_ns <= 0
        at["requests"] += 1
        at["texts"] += answered.texts
        at["tokens"] += answered.tokens
        at["busy"] += took

    def _count_faults(self, effort: Effort) -> None:
        self.faults.update(effort.faults)
        for one in effort.failed_tries:
            self.lost[one.kind] += round(SECOND * one.seconds)
            if one.address:
                self._at(one.address).update({"requests": 1, FAULT + one.kind: 1})

    def _at(self, address: str) -> Counter[str]:
        return self.endpoints.setdefault(address, Counter())

    def rested(self, seconds: Mapping[str, float]) -> None:
        """Take note of how long addresses rested."""
        for address, rest in seconds.items():
            self._at(address)["rested"] += round(SECOND * rest)

    def spend(
        self,
        wall_s: float,
        opening_s: float,
        blocked_s: float,
        loading_s: float = 0.0,
        *,
        ended: float,
    ) -> None:
        """Tell where the time of a bundle went, at its end.

        Requests overlap, so their durations do not add up to the time they take. What counts is how
        long the bundle was blocked by them: that is split as the durations of its requests are,
        tries that failed and the waits after them among them, into what the endpoint says it
        computed, what it says it loaded the model, and the rest: the network, the queue at the
        server, and pauses. What the bundle was not blocked is its own time.

        Args:
            wall_s: From the bundle's start to its end.
            opening_s: How long its first text waited until the endpoint was known.
            blocked_s: How long it waited for requests.
            loading_s: How much of `opening_s` was for the request that loads the model.
            ended: When the bundle ended, in seconds since the epoch.
        """
        times = self.times
        seconds = (wall_s, opening_s, blocked_s, loading_s)
        wall, opening, blocked, loading = (round(SECOND * one) for one in seconds)
        asked = max(1, times["asked"], times["asked_server"] + times["asked_load"])
        server = blocked * times["asked_server"] // asked
        load = blocked * times["asked_load"] // asked
        end = round(SECOND * ended)
        self._reach((end - wall, end))
        times["wall"] += wall
        times["server"] += server
        times["load"] += load + loading
        times["waiting"] += blocked - server - load + opening - loading

    def _reach(self, span: tuple[int, int]) -> None:
        began, ended = self.span or span
        self.span = min(began, span[0]), max(ended, span[1])

    def merge(self, other: "Statistics") -> None:
        """Take what another one has counted."""
        if other.span:
            self._reach(other.span)
        self.timeline.merge(other.timeline)
        for name in ("request_ms", "batch_texts", "token_counts"):
            getattr(self, name).merge(getattr(other, name))
        for name in ("times", "faults", "lost"):
            getattr(self, name).update(getattr(other, name))
        for address, amounts in other.endpoints.items():
            self._at(address).update(amounts)

    def __getstate__(self) -> dict[str, Any]:
        """Be pickled small: what waits for its bins is put there first."""
        for histogram in (self.request_ms, self.batch_texts, self.token_counts):
            histogram.settle()
        return self.__dict__


def merged(statistics: Iterable[Statistics]) -> Statistics:
    """Return what several have counted together."""
    total = Statistics()
    for one in statistics:
        total.merge(one)
    return total
