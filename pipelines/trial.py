"""A trial run of a job over a few documents: what a run takes whatever its size."""

import logging
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import orjson
from apache_beam.options.pipeline_options import PipelineOptions

from embed_pipeline import errors, interrupt
from embed_pipeline.corpus import Corpus
from embed_pipeline.job import Job
from embed_pipeline.manifest import Manifest, read_manifest
from embed_pipeline.pipelines import embed_corpus
from embed_pipeline.pipelines.execution import told
from embed_pipeline.pipelines.options import new_pipeline
from embed_pipeline.records import Document
from embed_pipeline.sampling import evenly

CHARS = 400_000  # of the texts, at most, but for a single one


class Trial(NamedTuple):
    """Hold what a trial run published, and how many seconds it took."""

    manifest: Manifest
    seconds: float

    def start(self, tokens_per_second: float) -> float:
        """Return the seconds it took beside embedding: what a run takes whatever its size."""
        return max(0.0, self.seconds - self.manifest.counts.tokens / tokens_per_second)


def try_out(job: Job, options: PipelineOptions, documents: Sequence[Document]) -> Trial:
    """Run a job over some documents of a sample, into a folder that is thrown away.

    There are as many documents as rows are sent again at the end of a run, so that this, too, takes
    as long as in a run; fewer where they are long.

    Args:
        job: With a concrete address.
        options: Beam's, of a local runner.
        documents: Of the corpus; their attributes are left out.

    Raises:
        EmbedPipelineError: The run failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sample.jsonl")
        few = _few(documents, max(1, job.tokens.recount))
        lines = [orjson.dumps({"id": one.id, "text": one.text}) + b"\n" for one in few]
        path.write_bytes(b"".join(lines))
        trial = job.model_copy(
            update={
                "corpus": Corpus(files=str(path), attributes={}, on_duplicate="first"),
                "output": job.output.model_copy(update={"path": str(Path(folder, "out"))}),
            }
        )
        logging.getLogger("apache_beam").setLevel(logging.CRITICAL)  # its tracebacks
        pipeline = new_pipeline(options)
        embed_corpus.build(pipeline, trial)
        began = time.monotonic()
        try:
            pipeline.run().wait_until_finish()
        except Exception as error:
            if interrupt.stop_requested() is not None:
                raise errors.InterruptedJobError("stopped during the trial run") from error
            raise told(error) from error
        return Trial(read_manifest(trial.output.path), time.monotonic() - began)


def _few(documents: Sequence[Document], count: int) -> list[Document]:
    few = evenly(documents, count)
    while len(few) > 1 and sum(len(one.text) for one in few) > CHARS:
        few = few[::2]
    return few
