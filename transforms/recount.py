"""After all is embedded: was it all made by one model, and are token counts confirmed?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsIter, AsSingleton, PCollection
from apache_beam.transforms.window import GlobalWindows
from apache_beam.typehints.decorators import no_annotations

from embed_pipeline import recount
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.errors import ModelChanged
from embed_pipeline.recount import Sample
from embed_pipeline.staging import Run


@dataclass
class Recount(beam.PTransform):
    """Hold the bundles' models together, and send a sample's texts alone; wires `recount`.

    Takes a PCollection of Sample, returns one of one dict, empty where `count` is 0.
    Fails with ModelChanged where a bundle had another model than the provenance has.

    Args:
        endpoint: With a concrete address.
        retry: Bounds of the repetition of one request.
        count: Rows to send.
        provenance: PCollection of one dict, what made the vectors.
        share: Share of all rows that are sent, at most.
        run: The run, where somebody watches it.
    """

    endpoint: Endpoint
    retry: Retry
    count: int
    provenance: PCollection
    share: float = 1.0
    run: Run | None = None

    def __post_init__(self) -> None:
        """Be a PTransform."""
        super().__init__()

    @no_annotations  # Beam takes annotations of PCollections only
    def expand(self, sampled: PCollection) -> PCollection:
        """Add the steps."""
        start = sampled.pipeline | "Count" >> beam.Create([self.count], reshuffle=False)
        samples = sampled | "Into one window" >> beam.WindowInto(GlobalWindows())
        return start | "Ask again" >> beam.Map(
            _recounted,
            AsIter(samples),
            AsSingleton(self.provenance),
            (self.endpoint, self.retry, self.run),
            self.share,
        )


def _recounted(
    count: int,
    samples: Iterable[Sample],
    provenance: Mapping[str, Any],
    settings: tuple[Endpoint, Retry, Run | None],
    share: float,
) -> recount.Recount:
    right = provenance["digest"]
    found = list(samples)
    for sample in found:
        if sample.digest not in ("", right):
            raise ModelChanged(
                f"vectors were made by a model of the digest {sample.digest[:12]}, others by "
                f"{right[:12]}: it was changed during the run, so nothing of it is to be used"
            )
    most = count if share >= 1 else min(count, int(share * sum(sample.of for sample in found)))
    drawn = recount.lowest((sample.rows for sample in found), most)
    return recount.recount(drawn, *settings)
