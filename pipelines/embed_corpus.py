"""Embed a corpus into a dataset: the main job.

On this machine:

    python -m embed_pipeline.pipelines.embed_corpus configs/local.yaml

On Dataflow:

    python -m embed_pipeline.pipelines.embed_corpus configs/dataflow.yaml --project=PROJECT
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection

from embed_pipeline.files import FileInfo
from embed_pipeline.job import Job
from embed_pipeline.resume import Reused
from embed_pipeline.staging import Run
from embed_pipeline.transforms.chunk import ChunkText
from embed_pipeline.transforms.embed import EmbedText
from embed_pipeline.transforms.read import ReadCorpus
from embed_pipeline.transforms.resume import SkipDone
from embed_pipeline.transforms.write import WriteDataset


def build(
    p: beam.Pipeline,
    job: Job,
    run: Run | None = None,
    inputs: Sequence[FileInfo] | None = None,
    expected: Mapping[str, float] | None = None,
    *,
    reused: Reused | None = None,
    made_by: Mapping[str, Any] | None = None,
) -> PCollection:
    """Add the job to a pipeline; return its PCollection of one Manifest.

    Args:
        p: The pipeline.
        job: With a concrete address, and attributes with types.
        run: The run, where the caller watches it.
        inputs: The corpus' files, where the caller has looked; the manifest lists them.
        expected: What was planned for the job, in seconds; the manifest holds it against the run.
        reused: What is taken from earlier runs of the job, and so not embedded again.
        made_by: The vectors' provenance, where the caller has looked; else a worker does.
    """
    how = (job.endpoint, job.batching, job.retry, job.tokens)
    documents = p | "Read" >> ReadCorpus(job.corpus, inputs)
    if job.chunks:
        documents = documents | "Chunk" >> ChunkText(*how, job.chunking)
    found = p | "Provenance" >> beam.Create([made_by], reshuffle=False) if made_by else None
    embed = "Embed" >> EmbedText(*how, provenance=found, run=run)
    if reused is None:
        embedded = documents | embed
    else:
        skipped = documents | "Skip" >> SkipDone(reused)
        embedded = skipped.joined(skipped.rest | embed)
    return embedded | "Write" >> WriteDataset(
        job.output,
        attributes=job.attribute_types,
        on_duplicate=job.corpus.on_duplicate,
        job=described(job, inputs or ()),
        run=run,
        expected=expected,
        reused=reused,
        provenance=made_by,
    )


def described(job: Job, inputs: Sequence[FileInfo]) -> dict[str, Any]:
    """Return what the manifest tells of a job: its settings without secrets, and its files."""
    files = [
        {
            "path": info.path,
            "size": info.size,
            "modified": info.modified.isoformat() if info.modified else None,
        }
        for info in inputs
    ]
    return {**job.public(), "inputs": files}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job of a file, as `embed-pipeline run` does; return the exit code."""
    from embed_pipeline.pipelines.cli import invoke  # noqa: PLC0415 (which imports this module)

    return invoke(["run", *(sys.argv[1:] if argv is None else argv)])


if __name__ == "__main__":
    sys.exit(main())
