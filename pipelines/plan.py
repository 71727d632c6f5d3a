"""Plan a job: measure its endpoint with a sample of its corpus, and tell the night in advance."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import click
import orjson
from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console

from embed_pipeline import (
    __version__,
    commit,
    corpus,
    errors,
    forecast,
    interrupt,
    locate,
    ownership,
)
from embed_pipeline.attributes import check_names
from embed_pipeline.chunking import CHUNK_TYPES
from embed_pipeline.coloring import check_color
from embed_pipeline.embedder import Embedder
from embed_pipeline.endpoint import AUTO, EMBEDDED
from embed_pipeline.exit_codes import of_signal
from embed_pipeline.files import FileInfo
from embed_pipeline.footprint import rows_of, size_of
from embed_pipeline.job import Job, JobFile
from embed_pipeline.limits import Limits
from embed_pipeline.measuring import IN_FLIGHT, MAX_TEXTS, Measured, Rate, Setting, measure
from embed_pipeline.pipelines import concurrency, embed_corpus
from embed_pipeline.pipelines.launch import warn_of_prefixes
from embed_pipeline.pipelines.options import LOCAL_RUNNERS, beam_options, runner_name, works_here
from embed_pipeline.pipelines.plan_report import print_plan
from embed_pipeline.pipelines.preflight import preflight
from embed_pipeline.pipelines.terminal import Terminal
from embed_pipeline.pipelines.trial import Trial, try_out
from embed_pipeline.planning import (
    choose,
    enough_in_flight,
    per_process,
    setting_of,
    time_of,
    workers,
)
from embed_pipeline.provenance import footer
from embed_pipeline.sampling import SIZE, Range, Sample, draw
from embed_pipeline.scan import infer
from embed_pipeline.schema import Layout
from embed_pipeline.work import Sized, Work, find_texts, find_work

SECONDS = 30.0  # for measuring, about
FORMAT = 1


def plan_job(
    job_file: JobFile,
    flags: Sequence[str],
    terminal: Terminal,
    *,
    sample: int = SIZE,
    seconds: float = SECONDS,
    as_json: bool = False,
) -> int:
    """Plan a job: print what is to be expected, and keep it in the output for the run.

    Args:
        job_file: The job.
        flags: Beam's own.
        terminal: Where to tell of the work; the plan itself goes to the standard output.
        sample: Documents to take of the corpus, at most.
        seconds: How long the endpoint may be measured, about.
        as_json: Print the plan as JSON.

    Returns:
        The exit code.

    Raises:
        EmbedPipelineError: There can be no plan; its `exit_code` is to be returned.
    """
    options = beam_options(job_file.beam, flags)
    job = job_file.job
    _tell_refusal(job, options, terminal)
    warn_of_prefixes(job, terminal)
    files = corpus.find_files(job.corpus)
    ownership.check_apart(job.output, files)
    ownership.check_writable(job.output)
    scan = infer(job.corpus, files)
    check_names(scan.types, [*job.output.taken, *(CHUNK_TYPES if job.chunks else ())])
    check_color(job.output.report_color, [*scan.types, *(CHUNK_TYPES if job.chunks else ())])
    job = job.model_copy(update={"corpus": job.corpus.with_types(scan.types)})
    drawn = draw(job.corpus, files, scan, sample)
    if not drawn.documents:
        raise errors.ConfigError(
            f"the corpus has no document that can be embedded: {drawn.rows} rows were read, and "
            f"{drawn.refused} of them are no documents or have no text; a run writes the reasons "
            "into failures/"
        )
    with terminal.telling_warnings(), locate.opened(job.endpoint) as endpoint, _told_well():
        preflight(endpoint, job.batching, terminal)
        job = job.model_copy(update={"endpoint": endpoint})
        found = _find_out(job, options, drawn, seconds, terminal)
    plan = _planned(job, files, found)
    path = forecast.keep(job.output.path, plan)
    if as_json:
        click.echo(orjson.dumps(plan, option=orjson.OPT_INDENT_2))
    else:
        print_plan(Console(highlight=False), plan)
    terminal.say(f"the plan is in {path}; the manifest of the next run will be held against it")
    return 0


def _tell_refusal(job: Job, options: PipelineOptions, terminal: Terminal) -> None:
    """Say now what would stop the run at its start; a plan can be made all the same."""
    try:
        ownership.check_free(job.output)
    except errors.ConfigError as error:
        terminal.warn(f"a run would be refused: {error}")
    try:
        if at_once := concurrency.told(options, job.endpoint, job.batching):
            terminal.say(at_once)
    except errors.ConfigError as error:
        terminal.warn(f"a run would be refused: {error}")
    if not works_here(options) and job.endpoint.url in (AUTO, EMBEDDED):
        terminal.warn(
            f"a run would be refused: workers cannot resolve endpoint.url '{job.endpoint.url}'; "
            "the plan is for what it means here"
        )


@contextmanager
def _told_well() -> Iterator[None]:
    """End at the first signal, with the exit code that tells of it; tell a wrong endpoint as such.

    Raises:
        ConfigError: What answers is no endpoint, or does not have the model.
        InterruptedJobError: There was a signal.
    """
    interrupt.clear()
    try:
        with interrupt.stop_on_signals(at_once=True):
            yield
    except (errors.ModelNotFound, errors.NotAnEndpoint) as error:
        raise errors.ConfigError(str(error)) from error
    except (errors.InterruptedJobError, KeyboardInterrupt) as error:
        number = interrupt.stop_requested() or signal.SIGINT
        stopped = errors.InterruptedJobError(
            f"stopped by {signal.Signals(number).name}; there is no plan"
        )
        stopped.exit_code = of_signal(number)
        raise stopped from error


class _Found(NamedTuple):
    """Hold what was found out.

    Attributes:
        sample: The sample.
        sized: What would be sent of it.
        limits: What bounds a text.
        trial: A run over a few of its documents.
        measured: The rates.
        own: The job's own setting.
        processes: Processes of a machine that send requests.
        local: Whether the job runs on this machine.
    """

    sample: Sample
    sized: Sized
    limits: Limits
    trial: Trial
    measured: Measured
    own: Setting
    processes: int
    local: bool


def _find_out(
    job: Job, options: PipelineOptions, sample: Sample, seconds: float, terminal: Terminal
) -> _Found:
    """Make a trial run and measure.

    Raises:
        ConfigError: No document can be sent.
    """
    local = runner_name(options) in LOCAL_RUNNERS
    processes = processes_of(options)
    terminal.say("a trial run of a few documents, for what a run takes whatever its size")
    trial = try_out(job, options if local else beam_options({}, []), sample.documents)
    own = Setting(job.batching.max_texts, job.batching.in_flight * processes)
    most = job.batching.model_copy(
        update={
            "max_texts": max(*MAX_TEXTS, own.max_texts),
            "in_flight": max(*IN_FLIGHT, own.in_flight),
        }
    )
    embedder = Embedder(job.endpoint, most, job.retry, job.tokens)
    try:
        found = find_texts(embedder, sample.documents, job.tokens, job.chunking)
        if not found.texts:
            raise errors.ConfigError("every document of the sample is too long to be embedded")
        terminal.say(f"measuring the endpoint for about {seconds:,.0f} s")
        documents = [text.document for text in found.texts]
        measured = measure(embedder, documents, job.batching, own, seconds)
        return _Found(sample, found, embedder.limits, trial, measured, own, processes, local)
    finally:
        embedder.close()


def _planned(job: Job, files: Sequence[FileInfo], found: _Found) -> dict[str, Any]:
    """Return the plan as it is kept."""
    outcomes, rates = found.measured.outcomes, found.measured.rates
    work = find_work(found.sample, found.sized, outcomes)
    made = found.trial.manifest.provenance
    start = found.trial.start(setting_of(rates, found.own).tokens)
    layout = Layout(job.output, made["dimension"], job.attribute_types)
    rows = rows_of(found.sized.texts, job.endpoint.model, outcomes)
    described = embed_corpus.described(job, files)
    planned = {"kind": made["endpoint_kind"], "digest": made["digest"]}
    limits = found.limits
    return {
        "format": FORMAT,
        "made": commit.now(),
        "embed_pipeline": __version__,
        "job": forecast.identity(described, planned, made["digest"]),
        "endpoint": {**planned, "url": made["endpoint"], "version": made["endpoint_version"]},
        "limits": {"context": limits.context, "context_source": limits.context_source},
        "on_too_long": job.tokens.on_too_long,
        "sampled_documents": len(found.sample.documents),
        **_described_work(work),
        "start_seconds": start,
        "start_is_local": found.local,
        "bytes": size_of(layout, footer(made), rows, work.texts.value),
        **_settings(job, work, found, start),
    }


def _described_work(work: Work) -> dict[str, Any]:
    return {
        "documents": work.documents._asdict(),
        "failed": work.failed,
        "too_long": work.too_long,
        "texts": work.texts._asdict(),
        "tokens": work.tokens._asdict(),
        "tokens_counted": work.counted,
    }


def _settings(job: Job, work: Work, found: _Found, start: float) -> dict[str, Any]:
    """Return the rates, the time each setting would take, and which one is chosen."""
    rates, processes = found.measured.rates, found.processes
    chosen = choose(rates, found.own).setting
    enough, seen = enough_in_flight(rates)
    shown, estimates = [], []
    for rate in rates:
        expected = time_of(work.tokens, rate, start)
        shown.append(_described_rate(rate, expected, found.own, chosen))
        if rate.setting.in_flight % processes == 0:
            batching = job.batching.model_dump()
            batching["max_texts"] = rate.setting.max_texts
            batching["in_flight"] = rate.setting.in_flight // processes
            estimates.append(forecast.estimate_of(batching, expected))
    in_flight = per_process(chosen.in_flight, processes)
    return {
        "rates": shown,
        "processes": processes,
        "chosen": {"max_texts": chosen.max_texts, "in_flight": in_flight},
        "enough_in_flight": enough,
        "enough_was_seen": seen,
        "workers": workers(enough, in_flight, processes),
        "estimates": estimates,
    }


def _described_rate(rate: Rate, expected: Range, own: Setting, chosen: Setting) -> dict[str, Any]:
    return {
        **rate.setting._asdict(),
        "own": rate.setting == own,
        "chosen": rate.setting == chosen,
        "slices": len(rate.slices),
        "texts_per_second": rate.texts,
        "tokens_per_second": rate.tokens,
        "slowest_tokens_per_second": rate.slowest,
        "fastest_tokens_per_second": rate.fastest,
        "seconds": expected.value,
        "low": expected.low,
        "high": expected.high,
    }


def processes_of(options: PipelineOptions) -> int:
    """Return how many processes of a machine send requests; 1 where Beam decides that later."""
    return concurrency.on_one_machine(options).number or 1
