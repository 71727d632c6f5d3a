"""After all is embedded: is the model still the same, and are token counts confirmed?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsIter, AsSingleton, PCollection
from apache_beam.transforms.window import GlobalWindows
from apache_beam.typehints.decorators import no_annotations

from embed_pipeline import recount
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.identity import Identity
from embed_pipeline.pool import Pool
from embed_pipeline.recount import Sampled


@dataclass
class Recount(beam.PTransform):
    """Look at the model once more, and send a sample's texts alone; wires `lowest`, `recount`.

    Takes a PCollection of lists of Sampled, returns one of one dict, empty where `count` is 0.
    Fails with ModelChanged where another model answers than the one of the provenance.

    Args:
        endpoint: With a concrete address.
        retry: Bounds of the repetition of one request.
        count: Rows to send.
        provenance: PCollection of one dict, what made the vectors.
    """

    endpoint: Endpoint
    retry: Retry
    count: int
    provenance: PCollection

    def __post_init__(self) -> None:
        """Be a PTransform."""
        super().__init__()

    @no_annotations  # Beam takes annotations of PCollections only
    def expand(self, sampled: PCollection) -> PCollection:
        """Add the steps."""
        start = sampled.pipeline | "Count" >> beam.Create([self.count], reshuffle=False)
        samples = sampled | "Into one window" >> beam.WindowInto(GlobalWindows())
        return start | "Ask again" >> beam.Map(
            _recounted, AsIter(samples), AsSingleton(self.provenance), self.endpoint, self.retry
        )


def _recounted(
    count: int,
    samples: Iterable[list[Sampled]],
    provenance: Mapping[str, Any],
    endpoint: Endpoint,
    retry: Retry,
) -> recount.Recount:
    made_by = Identity(provenance["digest"], None)
    with Pool(endpoint, retry, made_by=made_by) as pool:
        pool.some()
    return recount.recount(recount.lowest(samples, count), endpoint, retry)
