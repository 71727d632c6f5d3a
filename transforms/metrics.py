"""The embed step's metrics, as Beam counts them."""

from collections.abc import Sequence
from typing import Any

from apache_beam.io.components.adaptive_throttler import ThrottlingSignaler
from apache_beam.metrics import Metrics

from embed_pipeline.outcomes import Effort

NAMESPACE = "embed_pipeline"


class EmbedMetrics:
    """Hold the step's metrics; to be touched by the bundle's own thread only."""

    def __init__(self) -> None:
        self.texts = Metrics.counter(NAMESPACE, "texts")
        self.tokens = Metrics.counter(NAMESPACE, "tokens")
        self.requests = Metrics.counter(NAMESPACE, "requests")
        self.retries = Metrics.counter(NAMESPACE, "retries")
        self.failures = Metrics.counter(NAMESPACE, "failures")
        self.server_ms = Metrics.counter(NAMESPACE, "server_ms")
        self.load_ms = Metrics.counter(NAMESPACE, "load_ms")
        self.request_ms = Metrics.distribution(NAMESPACE, "request_ms")
        self.batch_texts = Metrics.distribution(NAMESPACE, "batch_texts")
        self._throttled = ThrottlingSignaler(NAMESPACE)
        self._owed: dict[str, float] = {}

    def count(self, results: Sequence[Any], effort: Effort) -> None:
        """Count one batch."""
        self.texts.inc(len(results))
        self.tokens.inc(effort.tokens)
        self.requests.inc(effort.requests)
        self.retries.inc(effort.retries)
        self.server_ms.inc(self._whole("server_ms", effort.server_ms))
        self.load_ms.inc(self._whole("load_ms", effort.load_ms))
        if throttled := self._whole("throttled", effort.throttled_s):
            self._throttled.signal_throttled(throttled)
        for milliseconds in effort.request_ms:
            self.request_ms.update(milliseconds)
        for texts in effort.batch_texts:
            self.batch_texts.update(texts)

    def _whole(self, name: str, amount: float) -> int:
        """Return the whole part of an amount; the fraction is carried over to the next."""
        total = self._owed.get(name, 0.0) + amount
        self._owed[name] = total - int(total)
        return int(total)
