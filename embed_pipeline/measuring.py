"""How fast an endpoint is with texts of a corpus, at a few batch sizes and requests in flight."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from embed_pipeline.embedder import Embedder
from embed_pipeline.endpoint import Batching
from embed_pipeline.outcomes import Failure, Vector
from embed_pipeline.records import Document
from embed_pipeline.sampling import relative_error
from embed_pipeline.stream import EmbedStream

MAX_TEXTS = (8, 32, 64)
IN_FLIGHT = (1, 2, 4)
ROUNDS = 3  # slices of each setting, of which the first two are always measured
WARM_UP = 8  # texts whose time does not count
ROUGH_SECONDS = 0.5  # after which the speed is known well enough to size the slices
GOLDEN = (math.sqrt(5) - 1) / 2  # multiples of it, modulo 1, are spread evenly at any number
CLOSE = 0.03  # share by which a rate may always be below the best one, and still be as good


class Setting(NamedTuple):
    """Name what is tried: texts in a request at most, and requests under way at once."""

    max_texts: int
    in_flight: int


class Slice(NamedTuple):
    """Hold how long some texts took."""

    texts: int
    tokens: int
    seconds: float


class Rate(NamedTuple):
    """Hold the slices that were measured with one setting."""

    setting: Setting
    slices: tuple[Slice, ...]

    @property
    def texts(self) -> float:
        """Return texts a second."""
        return sum(one.texts for one in self.slices) / sum(one.seconds for one in self.slices)

    @property
    def tokens(self) -> float:
        """Return tokens a second."""
        return sum(one.tokens for one in self.slices) / sum(one.seconds for one in self.slices)

    @property
    def slowest(self) -> float:
        """Return the tokens a second of the slowest slice."""
        return min(one.tokens / one.seconds for one in self.slices)

    @property
    def fastest(self) -> float:
        """Return the tokens a second of the fastest slice."""
        return max(one.tokens / one.seconds for one in self.slices)


class Measured(NamedTuple):
    """Hold what was measured.

    Attributes:
        rates: One for each setting, by batch size and requests in flight.
        outcomes: What became of the texts that were sent, by their place among the documents.
    """

    rates: Sequence[Rate]
    outcomes: Mapping[int, Vector | Failure]


def measure(
    embedder: Embedder,
    documents: Sequence[Document],
    batching: Batching,
    own: Setting,
    seconds: float,
) -> Measured:
    """Measure the rates of an endpoint.

    First the batch sizes with the job's own requests in flight, then more and fewer of those with
    the job's own batch size, or the smallest one where that is not as good as the best. Each
    setting gets ROUNDS slices of texts, in turn with the others, so that a machine that slows down
    slows all of them. No two slices in a row share a text, as far as there are enough, and each is
    spread over all documents. A batch size of which half a request would take all the time it has
    is left out, but never the job's.

    Args:
        embedder: Lets requests be as large, and as many be under way, as any setting wants.
        documents: With texts that can be sent; at least one.
        batching: The bounds of a request other than `max_texts`.
        own: The job's own setting, which is always measured.
        seconds: How long it may take, about; two rounds are always finished, and no slice is
            larger than the sample.

    Raises:
        EndpointError: No text can be embedded.
        InterruptedJobError: A stop was asked for.
    """
    meter = _Meter(embedder, documents, batching)
    speed = meter.rough_speed(own)
    sizes = sorted({*MAX_TEXTS, own.max_texts})
    levels = sorted({*IN_FLIGHT, own.in_flight})
    share = seconds / (len(sizes) + len(levels))
    count = min(len(documents), max(1, round(speed * share / ROUNDS)))
    sizes = [size for size in sizes if size <= 2 * count or size == own.max_texts]
    by_size = [Setting(size, own.in_flight) for size in sizes]
    meter.compare(by_size, count, share * len(by_size))
    best = as_good(meter.rates(by_size), lambda rate: (rate.setting != own, rate.setting))
    by_level = [Setting(best.setting.max_texts, level) for level in levels]
    meter.compare(by_level, count, share * len(by_level))
    return Measured(meter.rates(sorted({*by_size, *by_level})), meter.outcomes)


def as_good(rates: Iterable[Rate], cost: Callable[[Rate], Any]) -> Rate:
    """Return the cheapest of the rates that are as good as the best.

    Those are within CLOSE of it, or within what chance may have added to it: twice the standard
    error of its slices.
    """
    known = list(rates)
    best = max(known, key=lambda rate: rate.tokens)
    chance = relative_error([one.tokens / one.seconds for one in best.slices]) or 0.0
    enough = best.tokens * (1 - max(CLOSE, chance))
    return min((rate for rate in known if rate.tokens >= enough), key=cost)


class _Meter:
    """Send slices of texts and take their time."""

    def __init__(
        self, embedder: Embedder, documents: Sequence[Document], batching: Batching
    ) -> None:
        self._embedder = embedder
        self._documents = documents
        self._batching = batching
        self._places = deque(spread(len(documents)))
        self._slices: dict[Setting, list[Slice]] = {}
        self.outcomes: dict[int, Vector | Failure] = {}

    def rates(self, settings: Iterable[Setting]) -> list[Rate]:
        """Return what was measured with these settings."""
        return [Rate(one, tuple(self._slices[one])) for one in settings]

    def rough_speed(self, own: Setting) -> float:
        """Return about how many texts the endpoint embeds a second, once it is warm."""
        self._send(own, WARM_UP)
        count, found = WARM_UP, self._send(own, WARM_UP)
        while found.seconds < ROUGH_SECONDS and count < len(self._documents):
            count = min(4 * count, len(self._documents))
            found = self._send(own, count)
        return found.texts / found.seconds

    def compare(self, settings: Sequence[Setting], count: int, seconds: float) -> None:
        """Measure settings in turn, each with slices of so many texts, until the time is up."""
        end = time.monotonic() + seconds
        for number in range(ROUNDS):
            if number > 1 and time.monotonic() > end:
                return
            for index in range(len(settings)):
                one = settings[(index + number) % len(settings)]
                found = self._send(one, max(count, one.max_texts))
                self._slices.setdefault(one, []).append(found)

    def _send(self, setting: Setting, count: int) -> Slice:
        """Embed the next texts with a setting, as a run does."""
        places = [self._places[index % len(self._places)] for index in range(count)]
        self._places.rotate(-count)
        batching = self._batching.model_copy(update=setting._asdict())
        began = time.monotonic()
        stream: EmbedStream[int] = EmbedStream(self._embedder, batching, lambda *_: None)
        done = [one for place in places for one in stream.add(self._documents[place], place)]
        done += stream.finish()
        seconds = max(time.monotonic() - began, 1e-9)
        self.outcomes.update((one.tag, one.result) for one in done)
        tokens = sum(one.result.token_count for one in done if isinstance(one.result, Vector))
        return Slice(count, tokens, seconds)


def spread(count: int) -> list[int]:
    """Return the places 0 to `count` - 1 in an order of which any stretch is spread over all."""
    step = max(1, round(count * GOLDEN))
    while math.gcd(step, count) > 1:
        step += 1
    return [index * step % count for index in range(count)]
