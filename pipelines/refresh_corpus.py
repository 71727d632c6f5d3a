"""Refresh a store: embed what is new in a corpus, keep what is not, publish a snapshot.

python -m embed_pipeline.pipelines.refresh_corpus configs/nightly.yaml
"""

import sys
from collections.abc import Sequence
from typing import NamedTuple

import apache_beam as beam
from apache_beam.pvalue import PCollection

from embed_pipeline.admission import Gate
from embed_pipeline.comparing import is_remembered
from embed_pipeline.files import FileInfo
from embed_pipeline.job import Job
from embed_pipeline.snapshot import SnapshotTarget
from embed_pipeline.transforms.chunk import ChunkText
from embed_pipeline.transforms.embed import EmbedText
from embed_pipeline.transforms.read import ReadCorpus
from embed_pipeline.transforms.reuse import Admit, CompareDocuments, ComparedWith, FoldTexts
from embed_pipeline.transforms.write_snapshot import SnapshotInput, WriteSnapshot

MOST_RECOUNTED = 0.01  # share of a night's texts that are sent again for the sample


class Way(NamedTuple):
    """Say which way a refresh goes.

    Attributes:
        inputs: The corpus' files.
        store: What documents are compared with.
        gate: What is asked before the first text is sent.
        target: What the refresh is to become.
    """

    inputs: Sequence[FileInfo]
    store: ComparedWith
    gate: Gate
    target: SnapshotTarget


def build(p: beam.Pipeline, job: Job, way: Way) -> PCollection:
    """Add the refresh to a pipeline; return its PCollection of one Refresh.

    Args:
        p: The pipeline.
        job: With a concrete address, and attributes with types.
        way: What is compared, asked and made.
    """
    how = (job.endpoint, job.batching, job.retry, job.tokens)
    corpus = p | "Read" >> ReadCorpus(job.corpus, way.inputs)
    unread = corpus.failed | "Remember" >> beam.Filter(is_remembered, way.store.forgotten)
    compared = corpus.documents | "Compare" >> CompareDocuments(way.store)
    admitted = compared.tally | "Admit" >> Admit(way.gate, way.store.before)
    folded = compared.todo | "Fold" >> FoldTexts(admitted)
    documents = folded.documents
    if job.chunks:
        documents = documents | "Chunk" >> ChunkText(*how, job.chunking)
    embedded = documents | "Embed" >> EmbedText(
        *how, provenance=admitted, most_recounted=MOST_RECOUNTED, run=way.target.target.run
    )
    found = SnapshotInput(unread, compared, folded.twins, embedded)
    return found | "Write" >> WriteSnapshot(way.target)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the refresh of a file, as `embed-pipeline refresh` does; return the exit code."""
    from embed_pipeline.pipelines.cli import invoke  # noqa: PLC0415 (which imports this module)

    return invoke(["refresh", *(sys.argv[1:] if argv is None else argv)])


if __name__ == "__main__":
    sys.exit(main())
