"""Send a sample of rows again, each alone, and tell how many token counts are confirmed."""

from collections.abc import Iterable
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.pvalue import AsIter, PCollection
from apache_beam.transforms.window import GlobalWindows
from apache_beam.typehints.decorators import no_annotations

from embed_pipeline import recount
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.recount import Sampled


@dataclass
class Recount(beam.PTransform):
    """Merge the bundles' samples and send their texts alone; wires `lowest` and `recount`.

    Takes a PCollection of lists of Sampled, returns one of one dict, empty where `count` is 0.

    Args:
        endpoint: With a concrete address.
        retry: Bounds of the repetition of one request.
        count: Rows to send.
    """

    endpoint: Endpoint
    retry: Retry
    count: int

    def __post_init__(self) -> None:
        """Be a PTransform."""
        super().__init__()

    @no_annotations  # Beam takes annotations of PCollections only
    def expand(self, sampled: PCollection) -> PCollection:
        """Add the steps."""
        start = sampled.pipeline | "Count" >> beam.Create([self.count], reshuffle=False)
        if not self.count:
            return start | "Nothing" >> beam.Map(lambda _: {})
        samples = sampled | "Into one window" >> beam.WindowInto(GlobalWindows())
        return start | "Ask again" >> beam.Map(
            _recounted, AsIter(samples), self.endpoint, self.retry
        )


def _recounted(
    count: int, samples: Iterable[list[Sampled]], endpoint: Endpoint, retry: Retry
) -> recount.Recount:
    return recount.recount(recount.lowest(samples, count), endpoint, retry)
