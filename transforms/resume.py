"""Leave out what earlier runs of the job have done: `ReadCorpus | SkipDone | EmbedText`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.shared import Shared
from apache_beam.utils.windowed_value import WindowedValue

from embed_pipeline.done import Done
from embed_pipeline.records import Document, Failed
from embed_pipeline.resume import Reused
from embed_pipeline.transforms.chunk import ChunkResult
from embed_pipeline.transforms.embed import EmbedResult
from embed_pipeline.transforms.read import ReadResult

FAILED = "failed"
TALLY = "tally"


class SkipResult(NamedTuple):
    """Hold what SkipDone returns.

    Attributes:
        rest: What came in, with the documents that are still to be embedded, and the failures of
            those whose texts have failed for good.
        tally: PCollection of dict, one a bundle: "documents", how many are not in `rest`, and
            "reused", those of them that have their row.
        reused: Where the rows are.
    """

    rest: ReadResult | ChunkResult
    tally: PCollection
    reused: Reused

    def joined(self, result: EmbedResult) -> EmbedResult:
        """Return what EmbedText made of `rest`, with what was left out counted."""
        tally = (result.tally, self.tally) | "All tallies" >> beam.Flatten()
        one = self.tally.pipeline | "Origin" >> beam.Create(
            [dict(self.reused.provenance)], reshuffle=False
        )
        return result._replace(tally=tally, provenance=one)


@dataclass
class SkipDone(beam.PTransform):
    """Leave out the documents that have their row in reused parts; wires `done.Done`.

    Takes a ReadResult or a ChunkResult, whose documents are `Document`. Nothing is lost: what is
    left out is counted, and a text that has failed for good is a failure again, without asking.

    Args:
        reused: What is taken from earlier runs.
    """

    reused: Reused

    def __post_init__(self) -> None:
        """Be a PTransform."""
        super().__init__()

    @no_annotations  # Beam takes annotations of PCollections only
    def expand(self, documents: ReadResult | ChunkResult) -> SkipResult:
        """Add the steps."""
        found = documents.documents | "Skip" >> beam.ParDo(_Skip(self.reused)).with_outputs(
            FAILED, TALLY, main="documents"
        )
        failed = (documents.failed, found[FAILED]) | "All failed" >> beam.Flatten()
        rest = documents._replace(documents=found["documents"], failed=failed)
        return SkipResult(rest, found[TALLY], self.reused)


@beam.typehints.with_input_types(Document)
@beam.typehints.with_output_types(Document, failed=Failed, tally=dict)
class _Skip(beam.DoFn):
    """Pass on the documents that are not done, and count the others."""

    def __init__(self, reused: Reused) -> None:
        super().__init__()
        self._reused = reused
        self._shared = Shared()  # among the copies of the step in a process: it is large

    def setup(self) -> None:
        self._done = self._shared.acquire(self._loaded)

    def _loaded(self) -> Done:
        return Done(self._reused.keying, self._reused.parts, self._reused.failures)

    def start_bundle(self) -> None:
        self._tally = {"documents": 0, "reused": 0}

    @no_annotations
    def process(
        self, document: Document, windowed: WindowedValue = beam.DoFn.WindowedValueParam
    ) -> Iterable[Document | TaggedOutput]:
        self._last = windowed
        if self._done.has(document):
            self._tally["documents"] += 1
            self._tally["reused"] += 1
            return ()
        failed = self._done.failed(document)
        if failed is None:
            return (document,)
        self._tally["documents"] += 1
        return (TaggedOutput(FAILED, failed),)

    @no_annotations
    def finish_bundle(self) -> Iterator[TaggedOutput]:
        if self._tally["documents"]:
            yield TaggedOutput(TALLY, self._last.with_value(self._tally))
