"""Refresh a store from a job file: check everything that can be checked, run, report."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from apache_beam.options.pipeline_options import PipelineOptions

from embed_pipeline import (
    adopt,
    corpus,
    errors,
    locate,
    made_with,
    ownership,
    release,
    reusable,
    snapshot,
    store_lock,
    tombstones,
    unfinished,
)
from embed_pipeline.admission import Gate
from embed_pipeline.attributes import check_names
from embed_pipeline.chunking import CHUNK_TYPES
from embed_pipeline.coloring import check_color
from embed_pipeline.commit import Target, now
from embed_pipeline.endpoint import AUTO, EMBEDDED
from embed_pipeline.evolution import evolved
from embed_pipeline.files import FileInfo, join
from embed_pipeline.job import Job, JobFile
from embed_pipeline.known import Source
from embed_pipeline.manifest import Manifest, Refresh, read_manifest
from embed_pipeline.parts import PartFile
from embed_pipeline.pipelines import concurrency, embed_corpus, refresh_corpus, refresh_report
from embed_pipeline.pipelines.execution import Attempt, execute
from embed_pipeline.pipelines.launch import warn_of_prefixes
from embed_pipeline.pipelines.options import (
    beam_options,
    is_alone,
    new_pipeline,
    runner_name,
    works_here,
)
from embed_pipeline.pipelines.preflight import loaded_context, preflight, preflight_from_afar
from embed_pipeline.pipelines.terminal import Terminal
from embed_pipeline.scan import Scan, infer
from embed_pipeline.schema import OP
from embed_pipeline.stable_ids import check_not_positions
from embed_pipeline.staging import Run, new_run
from embed_pipeline.store import Store
from embed_pipeline.transforms.reuse import ComparedWith
from embed_pipeline.unfinished import NOTHING, Unfinished

LEAST_SECONDS = 0.001  # none at all would mean no limit


class Wishes(NamedTuple):
    """Hold what a refresh is asked for beside its job.

    Attributes:
        run_id: What the scheduler calls it; "" for a name of its own.
        fresh: Whether nothing of refreshes that stopped is reused.
        reembed: Whether everything is embedded anew.
        accept: Whether an engine that computes otherwise is accepted.
        again: Whether texts that failed at the endpoint are sent again.
        max_seconds: How long it may take; None: as long as it takes.
    """

    run_id: str = ""
    fresh: bool = False
    reembed: bool = False
    accept: bool = False
    again: bool = False
    max_seconds: float | None = None


class _Base(NamedTuple):
    """Hold the current snapshot as a refresh finds it.

    Attributes:
        number: Its number; None where there is none.
        manifest: Its manifest; None where there is none.
        parts: The files of its rows.
        following: The number of the next snapshot.
    """

    number: int | None
    manifest: Manifest | None
    parts: tuple[PartFile, ...]
    following: int

    @property
    def id_column(self) -> str:
        """Return what its rows call the id."""
        columns = self.manifest.job["output"]["columns"] if self.manifest else {}
        return str(columns.get("id", "id"))


class _Found(NamedTuple):
    """Hold what was found out before a refresh: the corpus, the model, the current snapshot."""

    files: Sequence[FileInfo]
    documents: int
    exact: bool
    digest: str
    context: int | None
    base: _Base
    notes: tuple[str, ...]


class _Night(NamedTuple):
    """Hold what stays while a refresh is tried: options, where to tell, what was found.

    `began` is when it all began, by the monotonic clock.
    """

    options: PipelineOptions
    terminal: Terminal
    found: _Found
    wishes: Wishes
    began: float


def refresh_store(
    job_file: JobFile, flags: Sequence[str], terminal: Terminal, wishes: Wishes
) -> Refresh:
    """Refresh a store; return what was done.

    Args:
        job_file: The job; its output is the store.
        flags: Beam's own.
        terminal: Where to tell of it.
        wishes: What else is asked for.

    Raises:
        EmbedPipelineError: Nothing was published; its `exit_code` is to be returned.
    """
    began = time.monotonic()
    options = beam_options(job_file.beam, flags)
    job = job_file.job
    _check_settings(job)
    local = works_here(options)
    if not local and job.endpoint.url == EMBEDDED:
        raise errors.ConfigError(
            f"endpoint.url is '{EMBEDDED}', which workers of {runner_name(options)} cannot "
            "resolve: set it to 'worker', or to the address of a server they can reach"
        )
    at_once = concurrency.told(options, job.endpoint, job.batching)
    store = Store(job.output.path)
    adopt.refuse_dataset(store.path)
    ownership.check_writable(job.output)
    with store_lock.locked(store.path), terminal.telling_warnings():
        store.tidy(job.store.keep_snapshots)
        done = _already_done(store, wishes.run_id)
        if done is not None:
            terminal.say(f"{wishes.run_id} has ended already, with snapshot {done.snapshot}")
            return done
        base = _base(store)
        files = corpus.find_files(job.corpus)
        ownership.check_apart(job.output, files)
        job, scan, notes = _with_types(job, files, base.manifest)
        if not job.store.ids_are_keys:
            check_not_positions(job.corpus, files)
        warn_of_prefixes(job, terminal)
        with (
            locate.opened(job.endpoint) as endpoint,
            release.released_after(release.outliving(job.endpoint, endpoint) if local else []),
        ):
            looks = preflight if local else preflight_from_afar
            digest = looks(endpoint, job.batching, terminal, check=False)
            context = loaded_context(endpoint) if digest else None
            if at_once:
                terminal.say(at_once)
            job = job.model_copy(update={"endpoint": endpoint})
            found = _Found(files, scan.documents, scan.exact, digest, context, base, notes)
            told = _refreshed(job, _Night(options, terminal, found, wishes, began))
    terminal.tell(refresh_report.pairs(store, told))
    return told


def _check_settings(job: Job) -> None:
    """Refuse what a refresh cannot work with.

    Raises:
        ConfigError: The settings ask for it.
    """
    if job.endpoint.url == AUTO:
        raise errors.ConfigError(
            f"endpoint.url is '{AUTO}', which may mean another engine each night: set it to the "
            f"address of a server, or to '{EMBEDDED}'"
        )
    if job.corpus.limit is not None:
        raise errors.ConfigError(
            "corpus.limit is set: a refresh deletes what is not in the corpus, so it reads all of "
            "it; leave the limit out, or try a few documents with `embed-pipeline run`"
        )
    if job.corpus.on_duplicate != "error":
        raise errors.ConfigError(
            f"corpus.on_duplicate is {job.corpus.on_duplicate}: a refresh knows documents by their "
            "ids, so they must be unique; leave it at error"
        )
    if OP in job.output.taken:
        raise errors.ConfigError(
            f"output.columns calls a column {OP!r}, which is the column of the changes that says "
            "what has happened to a row: choose another name"
        )


def _already_done(store: Store, run_id: str) -> Refresh | None:
    """Return what a refresh of this name did that has ended well.

    One whose snapshot somebody has gone back from is to be done again.
    """
    current = store.number() or 0
    named = [one for one in store.entries() if run_id and one.run_id == run_id]
    return next((one for one in named if one.snapshot <= current), None)


def _base(store: Store) -> _Base:
    """Return the current snapshot; look whether its files are there.

    Raises:
        DatasetError: The store is damaged.
    """
    number = store.number()
    if number is None:
        return _Base(None, None, (), store.following())
    folder = store.snapshot(number)
    manifest = read_manifest(folder)
    parts = snapshot.data_files(folder, manifest.data, manifest.index)
    snapshot.check_sizes(folder, (*manifest.failures, *manifest.changes))
    snapshot.check_footers(parts, manifest)
    return _Base(number, manifest, tuple(parts), store.following())


def _with_types(
    job: Job, files: Sequence[FileInfo], manifest: Manifest | None
) -> tuple[Job, Scan, tuple[str, ...]]:
    """Return the job with its attributes' types, which may have changed since the last night."""
    scan = infer(job.corpus, files)
    types = scan.types
    notes: tuple[str, ...] = ()
    if manifest is not None:
        known = made_with.attribute_types(manifest)
        types, notes = evolved(known, scan, job.corpus)
    check_names(types, [*job.output.taken, OP, *(CHUNK_TYPES if job.chunks else ())])
    check_color(job.output.report_color, [*types, *(CHUNK_TYPES if job.chunks else ())])
    corpus_settings = job.corpus.with_types(types)
    return job.model_copy(update={"corpus": corpus_settings}), scan, notes


def _refreshed(job: Job, night: _Night) -> Refresh:
    """Refresh; anew, with less that is reused, where the engine turns out to be another one."""
    _, terminal, found, wishes, _ = night
    base = found.base
    reasons: list[str] = []
    if wishes.reembed:
        reasons = ["--reembed was given"]
    elif base.manifest is not None:
        reasons = reusable.differences(base.manifest, job, found.digest)
    while True:
        origin = base.manifest.provenance if base.manifest and not reasons else None
        left = NOTHING if wishes.fresh else _left(job, found, wishes, origin)
        try:
            return _run(job, night, _Reuse(reasons, origin, left))
        except errors.EngineChanged as error:
            if origin is not None:
                reasons = [str(error)]
            elif left.sources:
                terminal.say(f"nothing of refreshes that stopped is reused: {error}")
                wishes = wishes._replace(fresh=True)
            else:
                raise


class _Reuse(NamedTuple):
    """Say what is reused.

    Attributes:
        reasons: Why nothing of the current snapshot is; [] where it is.
        origin: What made the current snapshot's vectors; None where they are not reused.
        left: What refreshes that stopped have left.
    """

    reasons: list[str]
    origin: Mapping[str, Any] | None
    left: Unfinished


def _left(job: Job, found: _Found, wishes: Wishes, origin: Mapping[str, Any] | None) -> Unfinished:
    folder = Store(job.output.path).snapshot(found.base.following)
    return unfinished.find(folder, job, origin, found.digest, reembed=wishes.reembed)


def _run(job: Job, night: _Night, reuse: _Reuse) -> Refresh:
    """Run the pipeline once."""
    options, terminal, found, wishes, began = night
    notes = [*found.notes, *_say_reused(terminal, found.base, reuse)]
    store = Store(job.output.path)
    run = new_run(store.snapshot(found.base.following))
    compared = _compared(job, found.base, reuse, run)._replace(again=wishes.again)
    what = snapshot.SnapshotTarget(
        store=store,
        number=found.base.following,
        target=Target(
            run,
            now(),
            job.output,
            job.attribute_types,
            job.corpus.on_duplicate,
            embed_corpus.described(job, found.files),
        ),
        run_id=wishes.run_id or run.run_id,
        base=found.base.number,
        before=found.base.parts,
        sources=compared.sources,
        id_column=found.base.id_column,
        keep=job.store.keep_snapshots,
        notes=tuple(notes),
    )
    way = refresh_corpus.Way(found.files, compared, _gate(job, found, wishes, reuse), what)
    pipeline = new_pipeline(options)
    unfinished.begin(run, job, reembed=wishes.reembed)
    refresh_corpus.build(pipeline, job, way)
    before = sum(reuse.left.rows.values())
    alone = is_alone(options)
    with terminal.watching(run, found.documents, exact=found.exact, alone=alone):
        attempt = Attempt(run, before, known=True)
        execute(pipeline, attempt, _time_left(wishes, began), terminal.say)
    return store.done(what.run_id, what.number)


def _compared(job: Job, base: _Base, reuse: _Reuse, run: Run) -> ComparedWith:
    """Return what documents are compared with."""
    store = Store(job.output.path)
    sources = tuple(Source(part, 0) for part in base.parts if part.rows and reuse.origin)
    failures: tuple[str, ...] = ()
    if base.number is not None and base.manifest is not None and reuse.origin:
        folder = store.snapshot(base.number)
        failures = tuple(join(folder, one.path) for one in base.manifest.failures)
    return ComparedWith(
        run=run,
        sources=(*sources, *reuse.left.sources),
        before=base.parts,
        failures=failures,
        left=reuse.left.failures,
        types=job.corpus.types or {},
        forgotten=tombstones.read(store),
        split=job.chunks,
    )


def _gate(job: Job, found: _Found, wishes: Wishes, reuse: _Reuse) -> Gate:
    """Return what is asked before the first text is sent."""
    origin = reuse.origin or reuse.left.origin
    told_context = origin and found.context not in (None, origin["context"])
    return Gate(
        corpus=job.corpus,
        files=found.files,
        endpoint=job.endpoint,
        batching=job.batching,
        retry=job.retry,
        tokens=job.tokens,
        origin=origin,
        max_deleted_fraction=job.store.max_deleted_fraction,
        accept=wishes.accept,
        always=bool(told_context),
        digest=found.digest,
        optional=reuse.origin is None,
    )


def _time_left(wishes: Wishes, began: float) -> float | None:
    """Return how many seconds the pipeline may take; None: as many as it takes."""
    if wishes.max_seconds is None:
        return None
    return max(LEAST_SECONDS, wishes.max_seconds - (time.monotonic() - began))


def _say_reused(terminal: Terminal, base: _Base, reuse: _Reuse) -> list[str]:
    """Tell what is reused; return what the log should know of it."""
    notes = []
    if base.number is not None and reuse.reasons:
        why = f"nothing of snapshot {base.number} is reused: {'; '.join(reuse.reasons)}"
        terminal.say(why)
        notes.append(why)
    for run_id, rows in reuse.left.rows.items():
        if rows:
            terminal.say(f"reusing {rows:,} vectors of run {run_id}")
        else:
            terminal.say(
                f"nothing of run {run_id} is reused: it was of other settings or another engine, "
                "or has left no whole file"
            )
    return notes
