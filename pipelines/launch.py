"""Run a job from its file: check everything that can be checked, run, report."""

import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from embed_pipeline import (
    commit,
    corpus,
    errors,
    forecast,
    kept,
    locate,
    ownership,
    prefixes,
    release,
    resume,
)
from embed_pipeline.attributes import check_names
from embed_pipeline.chunking import CHUNK_TYPES
from embed_pipeline.coloring import check_color
from embed_pipeline.counted import counted
from embed_pipeline.done import Keying
from embed_pipeline.endpoint import AUTO, EMBEDDED
from embed_pipeline.engine import inspect
from embed_pipeline.exit_codes import ExitCode
from embed_pipeline.files import FileInfo
from embed_pipeline.job import Job, JobFile
from embed_pipeline.manifest import read_manifest
from embed_pipeline.parts import PartFile
from embed_pipeline.pipelines import concurrency, embed_corpus
from embed_pipeline.pipelines.execution import Attempt, execute
from embed_pipeline.pipelines.options import (
    DEFAULT_RUNNER,
    beam_options,
    is_alone,
    new_pipeline,
    runner_name,
    works_here,
)
from embed_pipeline.pipelines.preflight import preflight, preflight_from_afar
from embed_pipeline.pipelines.terminal import Terminal
from embed_pipeline.progress import running
from embed_pipeline.provenance import provenance
from embed_pipeline.scan import Scan, infer
from embed_pipeline.schema import Layout
from embed_pipeline.staging import Run, new_run, take_up
from embed_pipeline.transforms.write import Commit


def run_job(
    job_file: JobFile,
    flags: Sequence[str],
    terminal: Terminal,
    *,
    dry_run: bool = False,
    fresh: bool = False,
    wait: bool = True,
) -> int:
    """Run a job; return the exit code.

    Args:
        job_file: The job.
        flags: Beam's own.
        terminal: Where to tell of it.
        dry_run: Check the settings and build the pipeline, but read, ask and write nothing.
        fresh: Embed everything, whatever earlier runs of the job have left.
        wait: Whether to wait for its end; where a job runs elsewhere it need not be.

    Raises:
        EmbedPipelineError: Nothing was published; its `exit_code` is to be returned.
    """
    options = beam_options(job_file.beam, flags)
    job = job_file.job
    local = works_here(options)
    if not local and job.endpoint.url in (AUTO, EMBEDDED):
        raise errors.ConfigError(
            f"endpoint.url is '{job.endpoint.url}', which workers of {runner_name(options)} cannot "
            "resolve: set it to 'worker', or to the address of a server they can reach"
        )
    at_once = concurrency.told(options, job.endpoint, job.batching)
    if dry_run:
        _build_only(job)
        terminal.say("the job file is good; nothing was read, asked or written")
        return ExitCode.PUBLISHED
    ownership.check_free(job.output)
    files = corpus.find_files(job.corpus)
    ownership.check_apart(job.output, files)
    ownership.check_writable(job.output)
    scan = infer(job.corpus, files)
    check_names(scan.types, [*job.output.taken, *(CHUNK_TYPES if job.chunks else ())])
    check_color(job.output.report_color, [*scan.types, *(CHUNK_TYPES if job.chunks else ())])
    warn_of_prefixes(job, terminal)
    with (
        terminal.telling_warnings(),
        locate.opened(job.endpoint) as endpoint,
        release.released_after(release.outliving(job.endpoint, endpoint) if local else []),
    ):
        looks = preflight if local else preflight_from_afar
        digest = looks(endpoint, job.batching, terminal)
        if at_once:
            terminal.say(at_once)
        job = job.model_copy(
            update={"endpoint": endpoint, "corpus": job.corpus.with_types(scan.types)}
        )
        found = _Found(files, scan, digest)
        return _run(job, options, found, terminal, fresh=fresh, wait=wait)


class _Found(NamedTuple):
    """Hold what was found out before a run: the corpus' files, a sample, the model's digest."""

    files: Sequence[FileInfo]
    scan: Scan
    digest: str


def _made_by(job: Job) -> dict[str, Any]:
    """Look at the endpoint and say what makes the vectors."""
    return provenance(job.endpoint, inspect(job.endpoint, job.retry, job.tokens), job.tokens)


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
    found: _Found,
    terminal: Terminal,
    *,
    fresh: bool,
    wait: bool,
) -> int:
    """Run the pipeline and report."""
    pipeline = new_pipeline(options)
    described = embed_corpus.described(job, found.files)
    kept_parts = None if fresh else kept.find_kept(job.output.path, described, found.digest)
    reused = None
    if kept_parts:
        run = kept_parts.run
        take_up(run)
        _commit_only(pipeline, job, kept_parts, described, terminal)
    else:
        run = new_run(job.output.path)
        fuses = runner_name(options) == DEFAULT_RUNNER  # steps with side inputs, too
        made_by = _made_by(job) if found.digest and not fuses else None
        reused = None if fresh else _reused(job, described, found.digest, made_by, terminal)
        resume.begin(run, described, found.digest)
        if reused:
            resume.counted(run, reused)
        expected = forecast.expected(job.output.path, described, found.digest)
        embed_corpus.build(
            pipeline, job, run, found.files, expected, reused=reused, made_by=made_by
        )
    if not wait:
        pipeline.run()
        terminal.say(f"run {run.run_id} is made; it ends with {run.manifest}")
        return ExitCode.PUBLISHED
    total = None if job.chunks else found.scan.documents  # of pieces, nobody knows the number
    with terminal.watching(run, total, exact=found.scan.exact, alone=is_alone(options)):
        attempt = Attempt(run, reused.rows if reused else 0, found.digest != "")
        execute(pipeline, attempt, say=terminal.say)
    manifest = read_manifest(job.output.path)
    too_many = manifest.counts.too_many_failed(job.output.max_failed_fraction)
    terminal.summarize(job.output.path, manifest, too_many=too_many)
    return ExitCode.TOO_MANY_FAILED if too_many else ExitCode.PUBLISHED


def _commit_only(
    pipeline: beam.Pipeline,
    job: Job,
    found: kept.Kept,
    described: Mapping[str, Any],
    terminal: Terminal,
) -> None:
    """Add the commit of what a run has embedded that was refused at its own."""
    _say_reused(terminal, found.written.parts, found.run)
    target = commit.Target(
        found.run,
        commit.now(),
        job.output,
        job.attribute_types,
        job.corpus.on_duplicate,
        described,
        reused=found.reused,
    )
    _ = pipeline | beam.Create([(target, found.written)], reshuffle=False) | "Commit" >> Commit()


def _reused(
    job: Job,
    described: Mapping[str, Any],
    digest: str,
    made_by: Mapping[str, Any] | None,
    terminal: Terminal,
) -> resume.Reused | None:
    """Return what is taken from earlier runs of the job, and say so, a line a run."""
    left = resume.candidates(job.output.path, described, digest)
    if not left:
        for run in running(job.output.path):
            reason = resume.why_not(run, described, digest)
            terminal.say(f"nothing of run {run.run_id} is reused: {reason}")
        return None
    repeat = job.corpus.on_duplicate != "error"
    if repeat and job.output.text == "drop":
        terminal.say(
            "nothing of earlier runs is reused: without texts (output.text is drop) documents of "
            f"the same id cannot be told apart (corpus.on_duplicate is {job.corpus.on_duplicate})"
        )
        return None
    made = made_by or _made_by(job)
    layout = Layout(job.output, made["dimension"], job.attribute_types)
    reused = resume.choose(left, made, Keying(layout, whole=repeat or job.chunks))
    parts = reused.parts if reused else ()
    for one in left:
        ours = [part for part in parts if part in one.parts]
        if ours:
            _say_reused(terminal, ours, one.run)
        elif one.parts:
            terminal.say(
                f"nothing of run {one.run.run_id} is reused: its vectors are not those the "
                "endpoint makes now, or its files are damaged"
            )
    return reused


def _say_reused(terminal: Terminal, parts: Sequence[PartFile], run: Run) -> None:
    rows = sum(part.rows for part in parts)
    terminal.say(f"reusing {counted(rows, 'vector')} of run {run.run_id}")
