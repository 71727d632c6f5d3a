"""Embed documents: `docs | EmbedText(endpoint)`, or `docs | beam.ParDo(EmbedDoFn(endpoint))`."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.windowed_value import WindowedValue

from embed_pipeline import embedder
from embed_pipeline.batching import Batcher
from embed_pipeline.documents import as_document, failed_document, refusal
from embed_pipeline.embedder import Failure, Outcome
from embed_pipeline.endpoint import AUTO, EMBEDDED, Batching, Endpoint, Retry
from embed_pipeline.engine import inspect
from embed_pipeline.errors import ConfigError, DocumentError
from embed_pipeline.provenance import provenance
from embed_pipeline.records import Document, Embedded, Failed
from embed_pipeline.transforms.metrics import EmbedMetrics
from embed_pipeline.transforms.read import ReadResult

FAILED = "failed"
RECEIVED = "received"


class EmbedResult(NamedTuple):
    """Hold what EmbedText returns.

    Attributes:
        embedded: PCollection of Embedded, in the order of the input within a bundle.
        failed: PCollection of Failed; together with `embedded` it has each document once.
        received: PCollection of int, the documents that came in, one number a bundle.
        provenance: PCollection of one dict, what makes the vectors (see provenance.py).
    """

    embedded: PCollection
    failed: PCollection
    received: PCollection
    provenance: PCollection


@dataclass
class EmbedText(beam.PTransform):
    """Embed each document; wires `embed_texts`, `inspect` and `provenance`.

    Takes a PCollection of Document, str, mapping or Row (fields text and id), or a ReadResult.
    Windows and timestamps are kept. Nothing is lost: a text without a vector is in `failed`.

    Args:
        endpoint: With a concrete address, such as `locate.opened` gives.
        batching: Bounds of one request, and how many are under way.
        retry: Bounds of the repetition of one request.
    """

    endpoint: Endpoint
    batching: Batching = field(default_factory=Batching)
    retry: Retry = field(default_factory=Retry)

    def __post_init__(self) -> None:
        """Refuse an address that only a launcher can resolve."""
        super().__init__()
        _check_address(self.endpoint)

    @no_annotations  # Beam takes annotations of PCollections only
    def expand(self, documents: PCollection | ReadResult) -> EmbedResult:
        """Add the steps."""
        unread: tuple[PCollection, ...] = ()
        if isinstance(documents, ReadResult):
            documents, unread = documents.documents, (documents.failed,)
        inspected = (
            documents.pipeline
            | "Endpoint" >> beam.Create([self.endpoint], reshuffle=False)
            | "Inspect" >> beam.Map(_inspected, self.retry)
        )
        dofn = EmbedDoFn(self.endpoint, batching=self.batching, retry=self.retry, failures=FAILED)
        done = documents | "Embed" >> beam.ParDo(dofn).with_outputs(
            FAILED, RECEIVED, main="embedded"
        )
        failed = (done[FAILED], *unread) | "All failed" >> beam.Flatten()
        return EmbedResult(done["embedded"], failed, done[RECEIVED], inspected)


@dataclass
class _Batch:
    """Hold one request under way: its documents, their windowed elements, and its future."""

    documents: list[Document]
    elements: list[WindowedValue]
    future: Future[Outcome]


@beam.typehints.with_input_types(Any)
@beam.typehints.with_output_types(Embedded, failed=Failed, received=int)
class EmbedDoFn(beam.DoFn):
    """Embed single elements, in batches, with several requests under way.

    Elements are Document, str, or a mapping or Row with text and id. It yields Embedded records,
    in the order of the input, with each element's own windows and timestamp. What is buffered is
    bounded by `batching`: one batch being filled and `in_flight` under way.

    Args:
        endpoint: With a concrete address.
        batching: Bounds of one request, and how many are under way.
        retry: Bounds of the repetition of one request.
        failures: Tag of the output for Failed records. None: the first failed text fails the
            bundle, because a tagged output that nobody reads is dropped in silence.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        batching: Batching | None = None,
        retry: Retry | None = None,
        failures: str | None = None,
    ) -> None:
        super().__init__()
        _check_address(endpoint)
        self._settings = (endpoint, batching or Batching(), retry or Retry())
        self._failures = failures
        self._metrics = EmbedMetrics()

    def setup(self) -> None:
        """Open, or share, this process's connections."""
        self._embedder = embedder.acquire(*self._settings)

    def start_bundle(self) -> None:
        """Start with nothing buffered."""
        batching = self._settings[1]
        self._batcher: Batcher[tuple[Document, WindowedValue]] = Batcher(
            batching.max_texts, batching.max_chars
        )
        self._under_way: deque[_Batch] = deque()
        self._received = 0

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
        full = self._batcher.add((document, windowed), len(document.text))
        if full is not None:
            return self._submit(full)
        if self._under_way and self._under_way[0].future.done():
            return self._results(self._under_way.popleft())
        return ()

    @no_annotations
    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput]:
        """Send what is buffered, wait for every answer, and say how many elements came."""
        rest = self._batcher.flush()
        if rest:
            yield from self._submit(rest)
        while self._under_way:
            yield from self._results(self._under_way.popleft())
        if self._failures and self._received:
            yield TaggedOutput(RECEIVED, self._last.with_value(self._received))

    def teardown(self) -> None:
        """Give the connections back; the last copy closes them."""
        if hasattr(self, "_embedder"):  # setup may have failed
            del self._embedder
            embedder.release(*self._settings)

    def _submit(
        self, batch: list[tuple[Document, WindowedValue]]
    ) -> list[WindowedValue | TaggedOutput]:
        """Send a batch; with too many under way, wait for the oldest and return its results."""
        documents = [document for document, _ in batch]
        elements = [element for _, element in batch]
        oldest: list[_Batch] = []
        if len(self._under_way) >= self._settings[1].in_flight:
            oldest = [self._under_way.popleft()]
            oldest[0].future.exception()  # wait, but send the next request before the rows go on
        future = self._embedder.submit([document.text for document in documents])
        self._under_way.append(_Batch(documents, elements, future))
        return [result for batch in oldest for result in self._results(batch)]

    def _results(self, batch: _Batch) -> list[WindowedValue | TaggedOutput]:
        """Wait for a batch, count it, and return its rows and failures."""
        results, effort = batch.future.result()
        self._metrics.count(results, effort)
        model = self._settings[0].model
        rows: list[WindowedValue | TaggedOutput] = []
        for document, element, result in zip(batch.documents, batch.elements, results, strict=True):
            if isinstance(result, Failure):
                rows.append(self._failed(element, self._failure(document, result)))
            else:
                rows.append(
                    element.with_value(
                        Embedded(*document, result[0], model, result[1], result[2], None)
                    )
                )
        return rows

    def _failure(self, document: Document, failure: Failure) -> Failed:
        return failed_document(
            document,
            failure.error,
            attempts=failure.attempts,
            endpoint=self._settings[0].masked_url,
        )

    def _failed(self, element: WindowedValue, failed: Failed) -> TaggedOutput:
        """Tag a failure, or raise it where nobody would read it."""
        if self._failures is None:
            raise _Unread(
                f"document {failed.id!r}: {failed.message} [{failed.kind}]; "
                "EmbedDoFn(..., failures='failed') gives failed documents an output of their own"
            )
        self._metrics.failures.inc()
        return TaggedOutput(self._failures, element.with_value(failed))


class _Unread(DocumentError):
    """Report the first failed text where failures have no output."""


def _inspected(endpoint: Endpoint, retry: Retry) -> dict[str, Any]:
    """Load the model and say what makes the vectors."""
    return provenance(endpoint, inspect(endpoint, retry))


def _check_address(endpoint: Endpoint) -> None:
    """Refuse an address that only a launcher can resolve."""
    if endpoint.url in (AUTO, EMBEDDED):
        raise ConfigError(
            f"endpoint.url is '{endpoint.url}', which workers cannot resolve: give an address, or "
            "use `with embed_pipeline.locate.opened(endpoint) as endpoint:` around the pipeline"
        )
