"""Run a job from its file: check everything that can be checked, run, report."""

import logging
import re
import signal
import tempfile
import time
from collections.abc import Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions

from embed_pipeline import (
    commit,
    corpus,
    errors,
    forecast,
    interrupt,
    kept,
    locate,
    ownership,
    prefixes,
)
from embed_pipeline.attributes import check_names
from embed_pipeline.chunking import CHUNK_TYPES
from embed_pipeline.endpoint import AUTO, EMBEDDED
from embed_pipeline.files import FileInfo
from embed_pipeline.job import Job, JobFile
from embed_pipeline.manifest import read_manifest
from embed_pipeline.pipelines import embed_corpus
from embed_pipeline.pipelines.options import (
    DEFAULT_RUNNER,
    LOCAL_RUNNERS,
    beam_options,
    runner_name,
)
from embed_pipeline.pipelines.preflight import preflight
from embed_pipeline.pipelines.terminal import Terminal
from embed_pipeline.scan import Scan, infer
from embed_pipeline.staging import new_run
from embed_pipeline.transforms.write import Commit

PUBLISHED, TOO_MANY_FAILED = 0, 3


def run_job(
    job_file: JobFile, flags: Sequence[str], terminal: Terminal, *, dry_run: bool = False
) -> int:
    """Run a job; return the exit code.

    Args:
        job_file: The job.
        flags: Beam's own.
        terminal: Where to tell of it.
        dry_run: Check the settings and build the pipeline, but read, ask and write nothing.

    Raises:
        EmbedPipelineError: Nothing was published; its `exit_code` is to be returned.
    """
    options = beam_options(job_file.beam, flags)
    job = job_file.job
    if dry_run:
        _build_only(job)
        terminal.say("the job file is good; nothing was read, asked or written")
        return PUBLISHED
    local = runner_name(options) in LOCAL_RUNNERS
    if not local and job.endpoint.url in (AUTO, EMBEDDED):
        raise errors.ConfigError(
            f"endpoint.url is '{job.endpoint.url}', which workers of {runner_name(options)} cannot "
            "resolve: set it to the address of a server they can reach"
        )
    ownership.check_free(job.output)
    files = corpus.find_files(job.corpus)
    ownership.check_apart(job.output, files)
    ownership.check_writable(job.output)
    scan = infer(job.corpus, files)
    check_names(scan.types, [*job.output.taken, *(CHUNK_TYPES if job.chunks else ())])
    warn_of_prefixes(job, terminal)
    with terminal.telling_warnings(), locate.opened(job.endpoint) as endpoint:
        digest = preflight(endpoint, terminal) if local else ""
        job = job.model_copy(
            update={"endpoint": endpoint, "corpus": job.corpus.with_types(scan.types)}
        )
        return _run(job, options, files=files, scan=scan, digest=digest, terminal=terminal)


def _build_only(job: Job) -> None:
    """Build the pipeline; on the local runner, because others look into their cloud first."""
    if job.endpoint.url in (AUTO, EMBEDDED):
        endpoint = job.endpoint.model_copy(update={"url": "http://127.0.0.1:11434"})
        job = job.model_copy(update={"endpoint": endpoint})
    with tempfile.TemporaryDirectory() as nowhere:  # the real output is not to be looked at
        output = job.output.model_copy(update={"path": nowhere})
        job = job.model_copy(update={"output": output})
        embed_corpus.build(beam.Pipeline(runner=DEFAULT_RUNNER), job)


def warn_of_prefixes(job: Job, terminal: Terminal) -> None:
    """Say so where the model was trained with prefixes and the job gives none."""
    missing = prefixes.warning(job.endpoint.model, job.tokens.prefix, job.tokens.query_prefix)
    if missing:
        terminal.warn(missing)


def _run(
    job: Job,
    options: PipelineOptions,
    *,
    files: Sequence[FileInfo],
    scan: Scan,
    digest: str,
    terminal: Terminal,
) -> int:
    """Run the pipeline and report."""
    described = embed_corpus.described(job, files)
    found = kept.find_kept(job.output.path, described, digest)
    run = found.run if found else new_run(job.output.path)
    pipeline = beam.Pipeline(options=options)
    if found:
        terminal.say(f"reusing {sum(p.rows for p in found.written.parts)} vectors of {run.run_id}")
        target = commit.Target(
            run, commit.now(), job.output, job.attribute_types, job.corpus.on_duplicate, described
        )
        _ = (
            pipeline
            | beam.Create([(target, found.written)], reshuffle=False)
            | "Commit" >> Commit()
        )
    else:
        expected = forecast.expected(job.output.path, described, digest)
        embed_corpus.build(pipeline, job, run, files, expected)
    began = time.monotonic()
    total = None if job.chunks else scan.documents  # of pieces, nobody knows the number
    with terminal.watching(run, total, exact=scan.exact):
        _execute(pipeline)
    manifest = read_manifest(job.output.path)
    too_many = manifest.counts.too_many_failed(job.output.max_failed_fraction)
    terminal.summarize(job.output.path, manifest, time.monotonic() - began, too_many=too_many)
    return TOO_MANY_FAILED if too_many else PUBLISHED


def _execute(pipeline: beam.Pipeline) -> None:
    """Run a pipeline to its end; errors of ours come out as they went in."""
    interrupt.clear()
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)  # its tracebacks; we tell better
    with interrupt.stop_on_signals(at_once=_works_elsewhere(pipeline.options)):
        try:
            pipeline.run().wait_until_finish()
        except (Exception, KeyboardInterrupt) as error:
            number = interrupt.stop_requested()
            if number is not None:
                raise Interrupted(number) from error
            raise told(error) from error


def _works_elsewhere(options: PipelineOptions) -> bool:
    """Tell whether the work is done outside this process."""
    mode = options.view_as(DirectOptions).direct_running_mode
    return runner_name(options) != DEFAULT_RUNNER or mode == "multi_processing"


class Interrupted(errors.InterruptedJobError):
    """Report the signal that ended the job; the exit code is 128 plus its number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}; {KEPT}")
        self.exit_code = 128 + number


_TOLD = re.compile(r"^embed_pipeline\.errors\.(\w+): (.*)$", re.MULTILINE)
_OS_ERROR = re.compile(r"^(?:OSError|PermissionError|FileNotFoundError): (.*)$", re.MULTILINE)
KEPT = "nothing is published, whole part files are kept in the staging folder"
_WHERE = re.compile(r" \[while running '.*", re.DOTALL)


def told(error: BaseException) -> errors.EmbedPipelineError:
    """Return the error of ours that ended a pipeline; some runners pass on its text only."""
    message = _WHERE.sub("", str(error))
    if isinstance(error, errors.EmbedPipelineError):
        return type(error)(message)
    if isinstance(error, OSError):
        return errors.DatasetError(f"{message}; {KEPT}")
    found: list[tuple[str, str]] = _TOLD.findall(message)
    if found:
        name, text = found[-1]
        kind: type[errors.EmbedPipelineError] = getattr(errors, name)
        return kind(text)
    failed = _OS_ERROR.search(message)
    if failed:
        return errors.DatasetError(f"{failed[1]}; {KEPT}")
    last = message.strip().splitlines()[-1:] or [type(error).__name__]
    return errors.EmbedPipelineError(f"the pipeline failed: {last[0]}")
