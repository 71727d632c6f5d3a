"""Split documents into pieces that fit the model: `docs | ChunkText(...) | EmbedText(...)`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.windowed_value import WindowedValue

from embed_pipeline import embedder, interrupt
from embed_pipeline.batching import Batcher
from embed_pipeline.chunking import Chunking, chunked, piece_tokens
from embed_pipeline.documents import as_document, failed_document
from embed_pipeline.endpoint import Batching, Endpoint, Retry
from embed_pipeline.errors import DocumentError
from embed_pipeline.locate import check_address
from embed_pipeline.records import Document, Failed
from embed_pipeline.tokenizer import ModelTokenizer
from embed_pipeline.tokens import Tokens
from embed_pipeline.transforms.metrics import NAMESPACE
from embed_pipeline.transforms.read import ReadResult

FAILED = "failed"
RECEIVED = "received"
MAX_TEXTS = 32  # documents, and their characters, that are counted at once
MAX_CHARS = 500_000


class ChunkResult(NamedTuple):
    """Hold what ChunkText returns.

    Attributes:
        documents: PCollection of Document, the pieces, in the order of the input within a bundle.
        failed: PCollection of Failed; those of reading, and documents that cannot be split.
        received: PCollection of int, the documents that came in, one number a bundle.
    """

    documents: PCollection
    failed: PCollection
    received: PCollection


@dataclass
class ChunkText(beam.PTransform):
    """Split each document into pieces; wires `piece_tokens` and `chunked`.

    Takes a PCollection of Document, str, mapping or Row (fields text and id), or a ReadResult.
    Windows and timestamps are kept. What the model reads, and its tokenizer, are asked for on the
    workers before the first document.

    Args:
        endpoint: With a concrete address, such as `locate.opened` gives.
        batching, retry: As the embed step's, which then shares the connections.
        tokens: Its prefix, and where the tokenizer is.
        chunking: How large a piece is, and what neighbors share.
    """

    endpoint: Endpoint
    batching: Batching = field(default_factory=Batching)
    retry: Retry = field(default_factory=Retry)
    tokens: Tokens = field(default_factory=Tokens)
    chunking: Chunking = field(default_factory=Chunking)

    def __post_init__(self) -> None:
        """Refuse an address that only a launcher can resolve."""
        super().__init__()
        check_address(self.endpoint)

    @no_annotations  # Beam takes annotations of PCollections only
    def expand(self, documents: PCollection | ReadResult) -> ChunkResult:
        """Add the steps."""
        unread: tuple[PCollection, ...] = ()
        if isinstance(documents, ReadResult):
            documents, unread = documents.documents, (documents.failed,)
        settings = (self.endpoint, self.batching, self.retry, self.tokens)
        done = documents | "Chunk" >> beam.ParDo(_Chunk(settings, self.chunking)).with_outputs(
            FAILED, RECEIVED, main="documents"
        )
        failed = (done[FAILED], *unread) | "All failed" >> beam.Flatten()
        return ChunkResult(done["documents"], failed, done[RECEIVED])


@beam.typehints.with_input_types(Any)
@beam.typehints.with_output_types(Document, failed=Failed, received=int)
class _Chunk(beam.DoFn):
    """Split single elements, in batches, each piece with its document's windows and timestamp."""

    def __init__(
        self, settings: tuple[Endpoint, Batching, Retry, Tokens], chunking: Chunking
    ) -> None:
        super().__init__()
        self._settings = settings
        self._chunking = chunking
        self._failures = Metrics.counter(NAMESPACE, "failures")

    def setup(self) -> None:
        """Share this process's connections; nothing is asked before the first document."""
        self._embedder = embedder.acquire(*self._settings)
        self._bounds: tuple[ModelTokenizer, int] | None = None

    def start_bundle(self) -> None:
        """Start with nothing buffered."""
        self._batcher: Batcher[tuple[Document, WindowedValue]] = Batcher(MAX_TEXTS, MAX_CHARS)
        self._received = 0

    @no_annotations
    def process(
        self, element: Any, windowed: WindowedValue = beam.DoFn.WindowedValueParam
    ) -> Iterable[WindowedValue | TaggedOutput]:
        """Buffer one element; return the pieces of a batch it completes."""
        self._received += 1
        self._last = windowed
        try:
            document = as_document(element)
        except DocumentError as error:
            failed = failed_document(Document("", str(element)), error, stage="chunk")
            return [self._output(windowed, failed)]
        return self._split(self._batcher.add((document, windowed), len(document.text)) or [])

    @no_annotations
    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput]:
        """Split what is buffered, and say how many elements came."""
        yield from self._split(self._batcher.flush())
        if self._received:
            yield TaggedOutput(RECEIVED, self._last.with_value(self._received))

    def teardown(self) -> None:
        """Give the connections back; the last copy closes them."""
        if hasattr(self, "_embedder"):  # setup may have failed
            del self._embedder
            embedder.release(*self._settings)

    def _split(
        self, batch: list[tuple[Document, WindowedValue]]
    ) -> Iterator[WindowedValue | TaggedOutput]:
        if not batch or interrupt.stop_requested():
            return
        prefix = self._settings[3].prefix
        if self._bounds is None:
            self._bounds = piece_tokens(self._chunking, self._embedder.limits, prefix)
        tokenizer, most = self._bounds
        most = min(most, self._embedder.limits.context)  # which may turn out to be less
        documents = [document for document, _ in batch]
        results = chunked(documents, tokenizer, most, self._chunking.overlap, prefix)
        for (_, windowed), pieces in zip(batch, results, strict=True):
            for piece in pieces:
                if interrupt.stop_requested():
                    return
                yield self._output(windowed, piece)

    def _output(
        self, windowed: WindowedValue, result: Document | Failed
    ) -> WindowedValue | TaggedOutput:
        if isinstance(result, Document):
            return windowed.with_value(result)
        self._failures.inc()
        return TaggedOutput(FAILED, windowed.with_value(result))
