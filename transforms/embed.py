"""Embed documents: `docs | EmbedText(endpoint)`, or `docs | beam.ParDo(EmbedDoFn(endpoint))`."""

import pickle
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.shared import Shared
from apache_beam.utils.windowed_value import WindowedValue

from embed_pipeline import embedder
from embed_pipeline.documents import as_document, failed_document, refusal
from embed_pipeline.drafting import Bundle
from embed_pipeline.endpoint import Batching, Endpoint, Retry
from embed_pipeline.engine import inspect
from embed_pipeline.errors import DocumentError, EmbedPipelineError
from embed_pipeline.locate import check_address
from embed_pipeline.outcomes import Effort, Failure, Vector, added_up
from embed_pipeline.provenance import provenance
from embed_pipeline.records import Document, Embedded, Failed
from embed_pipeline.recount import Sample
from embed_pipeline.sampler import Bounds, Sampler
from embed_pipeline.staging import Run
from embed_pipeline.statistics import Statistics
from embed_pipeline.stream import Done, EmbedStream
from embed_pipeline.tokens import Tokens
from embed_pipeline.transforms.chunk import ChunkResult
from embed_pipeline.transforms.metrics import EmbedMetrics
from embed_pipeline.transforms.read import ReadResult
from embed_pipeline.transforms.recount import Recount

FAILED = "failed"
TALLY = "tally"
SAMPLED = "sampled"
STATISTICS = "statistics"


class EmbedResult(NamedTuple):
    """Hold what EmbedText returns.

    Attributes:
        embedded: PCollection of Embedded, in the order of the input within a bundle.
        failed: PCollection of Failed; together with `embedded` it has each document once.
        tally: PCollection of dict, one a bundle: "documents", how many came in, and what it took
            to embed them (see `outcomes.Effort`).
        provenance: PCollection of one dict, what makes the vectors (see provenance.py).
        recount: PCollection of one dict, how many counts a sample confirmed (see recount.py).
        chunked: PCollection of int, the documents that were split before, one number a bundle;
            empty where there was no splitting.
        statistics: PCollection of bytes, one a bundle: what the report is drawn from (see
            `drafting.Bundle`).
    """

    embedded: PCollection
    failed: PCollection
    tally: PCollection
    provenance: PCollection
    recount: PCollection
    chunked: PCollection
    statistics: PCollection


@dataclass
class EmbedText(beam.PTransform):
    """Embed each document; wires `EmbedStream`, `inspect`, `provenance` and `recount`.

    Takes a PCollection of Document, str, mapping or Row (fields text and id), a ReadResult or a
    ChunkResult. Windows and timestamps are kept. Nothing is lost: a text without a vector is in
    `failed`. The sample is drawn from bounded input only.

    Args:
        endpoint: With a concrete address, such as `locate.opened` gives.
        batching: Bounds of one request, and how many are under way.
        retry: Bounds of the repetition of one request.
        tokens: How texts are prefixed and counted, and what becomes of those that are too long.
        provenance: PCollection of one dict, where the caller has found out what makes the vectors.
        most_recounted: Share of the texts that are sent again for the sample, at most.
        run: The run that is written, where the caller watches it.
    """

    endpoint: Endpoint
    batching: Batching = field(default_factory=Batching)
    retry: Retry = field(default_factory=Retry)
    tokens: Tokens = field(default_factory=Tokens)
    provenance: PCollection | None = None
    most_recounted: float = 1.0
    run: Run | None = None

    def __post_init__(self) -> None:
        """Refuse an address that only a launcher can resolve."""
        super().__init__()
        check_address(self.endpoint)

    @no_annotations  # Beam takes annotations of PCollections only
    def expand(self, documents: PCollection | ReadResult | ChunkResult) -> EmbedResult:
        """Add the steps."""
        unread: tuple[PCollection, ...] = ()
        if isinstance(documents, ChunkResult):
            chunked = documents.received
        else:
            chunked = _pipeline(documents) | "Not split" >> beam.Create([], reshuffle=False)
        if isinstance(documents, ReadResult | ChunkResult):
            documents, unread = documents.documents, (documents.failed,)
        inspected = self.provenance or (
            documents.pipeline
            | "Endpoint" >> beam.Create([self.endpoint], reshuffle=False)
            | "Inspect" >> beam.Map(_inspected, self.retry, self.tokens)
        )
        dofn = EmbedDoFn(
            self.endpoint,
            batching=self.batching,
            retry=self.retry,
            tokens=self.tokens,
            failures=FAILED,
        )
        done = documents | "Embed" >> beam.ParDo(dofn).with_outputs(
            FAILED, TALLY, SAMPLED, STATISTICS, main="embedded"
        )
        failed = (done[FAILED], *unread) | "All failed" >> beam.Flatten()
        if documents.is_bounded:
            recount = done[SAMPLED] | "Recount" >> Recount(
                self.endpoint,
                self.retry,
                self.tokens.recount,
                inspected,
                self.most_recounted,
                self.run,
            )
        else:  # there is no moment when all is embedded
            recount = documents.pipeline | "No recount" >> beam.Create([{}], reshuffle=False)
        return EmbedResult(
            done["embedded"], failed, done[TALLY], inspected, recount, chunked, done[STATISTICS]
        )


@beam.typehints.with_input_types(Any)
@beam.typehints.with_output_types(Embedded, failed=Failed, tally=Any, sampled=Any, statistics=bytes)
class EmbedDoFn(beam.DoFn):
    """Embed single elements, in batches, with several requests under way; wires `EmbedStream`.

    Elements are Document, str, or a mapping or Row with text and id. It yields Embedded records,
    in the order of the input, with each element's own windows and timestamp.

    Args:
        endpoint: With a concrete address.
        batching: Bounds of one request, and how many are under way.
        retry: Bounds of the repetition of one request.
        tokens: How texts are prefixed and counted, and what becomes of those that are too long.
        failures: Tag of the output for Failed records. None: the first failed text fails the
            bundle, because a tagged output that nobody reads is dropped in silence.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        batching: Batching | None = None,
        retry: Retry | None = None,
        tokens: Tokens | None = None,
        failures: str | None = None,
    ) -> None:
        super().__init__()
        check_address(endpoint)
        self._endpoint = endpoint
        self._batching = batching or Batching()
        self._tokens = tokens or Tokens()
        self._settings = (endpoint, self._batching, retry or Retry(), self._tokens)
        self._failures = failures
        self._metrics = EmbedMetrics()
        self._shared = Shared()  # among the copies of the step in a process

    def setup(self) -> None:
        """Open, or share, this process's connections."""
        self._embedder = embedder.acquire(*self._settings)
        recounted = self._tokens.recount
        self._bounds = self._shared.acquire(lambda: Bounds(recounted))

    def start_bundle(self) -> None:
        """Start with nothing buffered."""
        self._began = time.monotonic()
        self._stream: EmbedStream[WindowedValue] = EmbedStream(
            self._embedder, self._batching, self._count
        )
        self._sampler = Sampler(self._bounds if self._failures else Bounds(0, 0))
        self._statistics = Statistics()
        self._received = 0
        self._ended: EmbedPipelineError | None = None
        self._effort: dict[str, float] = {}

    @no_annotations
    def process(
        self, element: Any, windowed: WindowedValue = beam.DoFn.WindowedValueParam
    ) -> Iterable[WindowedValue | TaggedOutput]:
        """Buffer one element; return what has come back meanwhile."""
        self._received += 1
        self._last = windowed
        try:
            document = as_document(element)
            error = refusal(document)
        except DocumentError as wrong:
            document, error = Document("", str(element)), wrong
        if error is not None:
            return [self._failed(windowed, failed_document(document, error))]
        if self._ended is not None:
            raise self._ended
        try:
            done = self._stream.add(document, windowed)
        except EmbedPipelineError as error:  # first what is done goes on, so that it is kept
            self._ended = error
            done = list(self._stream.rest())
        return self._records(done) if done else ()

    @no_annotations
    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput]:
        """Send what is buffered, wait for every answer, and say how many elements came."""
        if self._ended is not None:
            raise self._ended
        try:
            for done in self._stream.finish():
                yield from self._records([done])
            looked = time.monotonic()
            self._embedder.look_again()
            self._stream.blocked_s += time.monotonic() - looked
        except EmbedPipelineError:
            for done in self._stream.rest():
                yield from self._records([done])
            raise
        if self._failures and self._received:
            tally = {"documents": self._received, **self._effort}
            yield TaggedOutput(TALLY, self._last.with_value(tally))
            drawn = self._sampler.drawn()
            sample = Sample(self._embedder.digest, drawn.recounted, self._received)
            yield TaggedOutput(SAMPLED, self._last.with_value(sample))
            told = Bundle(self._ended_statistics(), drawn.mapped)
            yield TaggedOutput(STATISTICS, self._last.with_value(pickle.dumps(told, 5)))

    def teardown(self) -> None:
        """Give the connections back; the last copy closes them."""
        if hasattr(self, "_embedder"):  # setup may have failed
            del self._embedder
            embedder.release(*self._settings)
        self.__dict__.pop("_stream", None)  # it holds them, too

    def _count(self, results: Sequence[Vector | Failure], effort: Effort) -> None:
        self._metrics.count(results, effort)
        self._effort = added_up([self._effort, effort.totals()])
        self._statistics.count(results, effort)

    def _ended_statistics(self) -> Statistics:
        """Return the bundle's statistics, with where its time went."""
        found, stream = self._statistics, self._stream
        found.rested(self._embedder.rested())
        wall = time.monotonic() - self._began
        found.spend(wall, stream.opening_s, stream.blocked_s, stream.loading_s, ended=time.time())
        return found

    def _records(self, done: Iterable[Done[WindowedValue]]) -> list[WindowedValue | TaggedOutput]:
        """Return the row or the failure of each document."""
        model, sample = self._endpoint.model, self._sampler.add
        records: list[WindowedValue | TaggedOutput] = []
        for document, windowed, sent, result in done:
            if isinstance(result, Failure):
                records.append(self._unembedded(document, windowed, result))
                continue
            vector, tokens, source, truncated = result
            sample(document, sent, tokens, source, vector)
            row = Embedded(*document, vector, model, tokens, source, truncated)
            records.append(windowed.with_value(row))
        return records

    def _unembedded(
        self, document: Document, windowed: WindowedValue, result: Failure
    ) -> TaggedOutput:
        """Return the failure of a document that was sent."""
        failed = failed_document(
            document,
            result.error,
            attempts=result.attempts,
            blame=result.blame,
            endpoint=self._endpoint.masked_url,
        )
        return self._failed(windowed, failed)

    def _failed(self, windowed: WindowedValue, failed: Failed) -> TaggedOutput:
        """Tag a failure, or raise it where nobody would read it."""
        if self._failures is None:
            raise _Unread(
                f"document {failed.id!r}: {failed.message} [{failed.kind}]; "
                "EmbedDoFn(..., failures='failed') gives failed documents an output of their own"
            )
        self._metrics.failures.inc()
        return TaggedOutput(self._failures, windowed.with_value(failed))


def _pipeline(documents: PCollection | ReadResult) -> beam.Pipeline:
    """Return the pipeline that documents are of."""
    return (documents.documents if isinstance(documents, ReadResult) else documents).pipeline


class _Unread(DocumentError):
    """Report the first failed text where failures have no output."""


def _inspected(endpoint: Endpoint, retry: Retry, tokens: Tokens) -> dict[str, Any]:
    """Load the model and say what makes the vectors."""
    return provenance(endpoint, inspect(endpoint, retry, tokens), tokens)
