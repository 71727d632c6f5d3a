"""The steps of the flow between Rows, as Beam YAML joins them; `yaml` makes them from arguments.

Between two of them the records go on as they are, with source and line and without a vector being
looked at; Rows are made for every other step. What a dataset needs beside its rows is looked up in
the pipeline, since a YAML step has one output for rows and one for failures.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PBegin, PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations
from apache_beam.typehints.row_type import RowTypeConstraint

from embed_pipeline.chunking import CHUNK_TYPES, Chunking
from embed_pipeline.corpus import Corpus, find_files
from embed_pipeline.documents import failed_document, refusal
from embed_pipeline.errors import ConfigError
from embed_pipeline.records import Document, Failed
from embed_pipeline.scan import infer
from embed_pipeline.transforms import columns, rows
from embed_pipeline.transforms.chunk import ChunkText
from embed_pipeline.transforms.embed import EmbedResult, EmbedText
from embed_pipeline.transforms.lineage import apart, nearest
from embed_pipeline.transforms.read import ReadCorpus
from embed_pipeline.transforms.unread import FailUnread


class RowStep(beam.PTransform):
    """Be the base of the steps whose output is Rows.

    Attributes:
        name: What the step is called in YAML.
        embeds: Whether its records are Embedded, not Document.
        records: Once it is applied, the PCollection of records its Rows are made of.
        rows: The PCollection of Rows.
    """

    name: str
    embeds = False
    records: PCollection
    rows: PCollection

    def __init__(self, failures: str | None) -> None:
        super().__init__(self.name)
        self._failures = failures

    def outputs(
        self, records: PCollection, kind: RowTypeConstraint, failed: Iterable[PCollection]
    ) -> Any:
        """Make Rows of records and failures; without an output for those the first ends the job."""
        make = rows.embedded_row if self.embeds else rows.document_row
        self.records = records
        self.rows = records | "Rows" >> beam.Map(make).with_output_types(kind)
        if self._failures is None:
            for number, one in enumerate(failed):
                _ = one | f"Unread {number}" >> FailUnread(
                    f"`error_handling: {{output: failed}}` at {self.name} gives such documents an "
                    "output, for WriteDataset or a step of your own"
                )
            return self.rows
        made = [
            part
            | f"Failures {number}" >> beam.Map(rows.failure_row).with_output_types(rows.FAILURE)
            for number, part in enumerate(part for one in failed for part in apart(one))
        ]
        return {"good": self.rows, self._failures: made | "All failures" >> beam.Flatten()}


class ReadRows(RowStep):
    """Read a corpus; its attributes' types are found out as the pipeline is built."""

    name = "ReadCorpus"

    def __init__(self, corpus: Corpus, failures: str | None) -> None:
        super().__init__(failures)
        self._files = find_files(corpus)
        self._types = infer(corpus, self._files).types
        columns.check_free(self._types, (), self.name)
        self._corpus = corpus.with_types(self._types)

    @no_annotations  # Beam takes annotations of PCollections only
    def expand(self, pbegin: PBegin) -> Any:
        """Add the steps."""
        read = pbegin | "Read" >> ReadCorpus(self._corpus, self._files)
        kinds = {name: rows.PYTHON_TYPES[kind] for name, kind in self._types.items()}
        return self.outputs(read.documents, rows.document_type(kinds), [read.failed])


class DocumentStep(RowStep):
    """Be the base of the steps that take documents.

    Args:
        asking: The groups endpoint, batching, retry and tokens.
        naming: A corpus of whose settings id, text and attributes are meant.
        failures: Name of the output for failures, or None.
    """

    def __init__(self, asking: Mapping[str, Any], naming: Corpus, failures: str | None) -> None:
        super().__init__(failures)
        self.asking = asking
        self._naming = naming
        self._as_named = (naming.id, naming.text, naming.attributes) == ("id", "text", None)

    def documents(
        self, elements: PCollection, made: Collection[str]
    ) -> tuple[PCollection, list[PCollection], Any]:
        """Return the documents of Rows, those that are none, and the attributes' types.

        Args:
            elements: The Rows.
            made: The columns the step makes.
        """
        meant = columns.naming(self._naming, rows.fields(elements, self.name), self.name, made)
        for step in nearest(elements, RowStep):
            if step.rows is elements and self._as_named and not step.embeds:
                return step.records, [], meant.attributes
        done = elements | "Documents" >> beam.FlatMap(columns.documents, meant).with_output_types(
            Document, failed=Failed
        ).with_outputs(columns.FAILED, main="documents")
        return done["documents"], [done[columns.FAILED]], meant.attributes


class ChunkRows(DocumentStep):
    """Split documents."""

    name = "ChunkText"

    def __init__(self, asking: Any, chunking: Chunking, naming: Any, failures: Any) -> None:
        super().__init__(asking, naming, failures)
        self._chunking = chunking

    @no_annotations
    def expand(self, elements: PCollection) -> Any:
        """Add the steps."""
        documents, unread, attributes = self.documents(elements, CHUNK_TYPES)
        done = documents | "Chunk" >> ChunkText(*self.asking.values(), self._chunking)
        self.received = done.received
        split = done.documents | "Refuse" >> beam.FlatMap(_split).with_output_types(
            Document, failed=Failed
        ).with_outputs(columns.FAILED, main="documents")
        kinds = {**attributes, **{n: rows.PYTHON_TYPES[kind] for n, kind in CHUNK_TYPES.items()}}
        failed = [done.failed, split[columns.FAILED], *unread]
        return self.outputs(split["documents"], rows.document_type(kinds), failed)


def _split(document: Document) -> Iterator[Any]:
    """Yield a piece; what ChunkText has left for EmbedText to refuse has no Row, and fails here."""
    error = refusal(document)
    if error is None:
        yield document
    else:
        yield TaggedOutput(columns.FAILED, failed_document(document, error, stage="chunk"))


class EmbedRows(DocumentStep):
    """Embed documents."""

    name = "EmbedText"
    embeds = True
    result: EmbedResult

    @no_annotations
    def expand(self, elements: PCollection) -> Any:
        """Add the steps."""
        split = nearest(elements, ChunkRows)
        if self.asking["tokens"].on_too_long == "chunk" and not split:
            raise ConfigError(
                "EmbedText: on_too_long is chunk, which is the step ChunkText's to do: put it "
                "before this one"
            )
        documents, unread, attributes = self.documents(elements, rows.MADE)
        result = documents | "Embed" >> EmbedText(*self.asking.values())
        if split:
            received = [step.received for step in split] | "Split" >> beam.Flatten()
            result = result._replace(chunked=received)
        self.result = result
        kind = rows.embedded_type(attributes)
        return self.outputs(result.embedded, kind, [result.failed, *unread])
