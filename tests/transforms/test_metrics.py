"""The embed step's metrics: fractions are carried over, not lost."""

from apache_beam.metrics.execution import MetricsContainer
from apache_beam.metrics.metricbase import MetricName
from apache_beam.runners.worker import statesampler
from apache_beam.utils.counters import CounterFactory

from embed_pipeline.outcomes import Effort
from embed_pipeline.transforms.metrics import NAMESPACE, EmbedMetrics


def test_fractions_of_milliseconds_and_seconds_add_up() -> None:
    sampler = statesampler.StateSampler("test", CounterFactory())
    statesampler.set_current_tracker(sampler)
    container = MetricsContainer("step")
    state = sampler.scoped_state("step", "process", metrics_container=container)
    metrics = EmbedMetrics()
    sampler.start()
    with state:
        for _ in range(4):
            metrics.count([None], Effort(requests=1, server_ms=1.75, throttled_s=0.5))
    sampler.stop()
    found = {
        name: container.get_counter(MetricName(NAMESPACE, name)).get_cumulative()
        for name in ("texts", "requests", "server_ms", "cumulativeThrottlingSeconds")
    }
    assert found == {"texts": 4, "requests": 4, "server_ms": 7, "cumulativeThrottlingSeconds": 2}
