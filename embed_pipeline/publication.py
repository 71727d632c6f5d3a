"""The commit of a refresh: files become a snapshot, and the snapshot the store's current one."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import numpy as np

from embed_pipeline import accounts, assembly, commit, failure_parts, files, reporting
from embed_pipeline.assembly import Made
from embed_pipeline.card_file import write_card
from embed_pipeline.changes import Feed, Partly, write_changes
from embed_pipeline.errors import DatasetError
from embed_pipeline.exit_codes import ExitCode
from embed_pipeline.manifest import Counts, DataFile, Manifest, Refresh
from embed_pipeline.open_metrics import open_metrics
from embed_pipeline.provenance import ACCEPTED
from embed_pipeline.snapshot import METRICS, Outcome, SnapshotTarget, is_unchanged
from embed_pipeline.staging import Folder, check_wanted

_log = logging.getLogger("embed_pipeline")


def publish(snapshot: SnapshotTarget, outcome: Outcome, made: Iterable[Made]) -> Refresh:
    """Make the files a snapshot, and the snapshot the current one, as the last act.

    Where nothing has changed, only the log and the metrics tell of it. A runner may run a bundle
    again that has ended well: what the run has published stays.

    Raises:
        DatasetError: Rows and failures are not as many as they must be; nothing is published.
        InterruptedJobError: The launcher has given the run up.
    """
    run, store = snapshot.target.run, snapshot.store
    published = store.manifest() if store.number() == snapshot.number else None
    if published and published.refresh and published.run_id == run.run_id:
        return published.refresh
    check_wanted(run)
    if is_unchanged(snapshot, outcome):
        refresh = _unchanged(snapshot, outcome)
        files.delete_folder(run.path)
        store.record(refresh)
        return refresh
    ordered = sorted(made, key=lambda one: one.number) or [assembly.empty(snapshot, outcome)]
    failed = failure_parts.merged(run, sorted(outcome.failures, key=lambda part: part.path))
    data = [one.rows for one in ordered]
    counts = accounts.counts(data, 0, failed, outcome.written(data))
    accounts.check_complete(counts, run, reused=False)
    gone, fresh = _differences(snapshot, outcome)
    layout = snapshot.target.layout(outcome.provenance)
    feed = write_changes(run, layout, gone, fresh, snapshot.id_column)
    if files.exists(run.manifest):  # of a run that was killed right before publishing
        files.delete(run.manifest)
    placed: dict[Folder, list[DataFile]] = {
        "data": commit.placed(run, "data", data),
        "index": commit.placed(run, "index", [one.marks for one in ordered]),
        "failures": commit.placed(run, "failures", failed),
        "changes": commit.placed(run, "changes", feed.parts),
    }
    manifest = _manifest(snapshot, outcome, counts, placed)
    added = sum(file.bytes for part in placed.values() for file in part)
    added -= sum(part.bytes for part in data if snapshot.is_of_base(part))
    refresh = _told(snapshot, outcome, manifest, feed, added)
    manifest = manifest.model_copy(update={"refresh": refresh})
    files.write_bytes(files.join(run.path, METRICS), open_metrics(manifest).encode())
    reporting.write(run.path, manifest, outcome.report, snapshot.target.output)
    reporting.redraw(run.path, manifest)
    write_card(run.path, manifest)
    files.write_bytes(run.manifest, manifest.to_json())
    store.publish(snapshot.number)
    try:
        store.tidy(snapshot.keep)
    except (OSError, DatasetError) as error:  # it is published all the same
        _log.warning(
            "snapshot %d is published, but not all that is not needed any more was deleted (%s); "
            "the next refresh sees to it",
            snapshot.number,
            error,
        )
    return refresh


def _manifest(
    snapshot: SnapshotTarget,
    outcome: Outcome,
    counts: Counts,
    placed: Mapping[Folder, Sequence[DataFile]],
) -> Manifest:
    target = snapshot.target
    schema = target.layout(outcome.provenance).schema()
    return Manifest(
        run_id=target.run.run_id,
        started=target.started,
        finished=commit.now(),
        provenance=outcome.provenance,
        job=target.job,
        columns={field.name: str(field.type) for field in schema},
        counts=counts,
        recount=outcome.recount,
        effort=outcome.effort,
        data=placed["data"],
        failures=placed["failures"],
        index=placed["index"],
        changes=placed["changes"],
    )


def _differences(snapshot: SnapshotTarget, outcome: Outcome) -> tuple[list[Partly], list[Partly]]:
    """Return the rows of the base that do not stay, and the rows that are not of the base."""
    kept = {
        source.part.path: (source.part, numbers)
        for source, numbers in zip(snapshot.sources, outcome.kept, strict=True)
    }
    gone = []
    for part in snapshot.before:
        left = np.ones(part.rows, bool)
        if part.path in kept:
            left[kept[part.path][1]] = False
        gone.append(Partly(part, np.flatnonzero(left)))
    same_vectors = any(source.run == 0 for source in snapshot.sources)
    fresh = [Partly(*one) for one in kept.values() if not snapshot.is_of_base(one[0])]
    fresh += [Partly(part, np.arange(part.rows)) for part in outcome.embedded]
    fresh += [Partly(part, np.arange(part.rows), same_vectors) for part in outcome.copied]
    return gone, fresh


def _unchanged(snapshot: SnapshotTarget, outcome: Outcome) -> Refresh:
    manifest = snapshot.store.manifest()
    if manifest is None or snapshot.base is None:
        raise DatasetError(f"{snapshot.store.path} has lost its current snapshot meanwhile")
    finished = commit.now()
    refresh = Refresh(
        run_id=snapshot.run_id,
        snapshot=snapshot.base,
        base=snapshot.base,
        published=False,
        started=snapshot.target.started,
        finished=finished,
        rows=manifest.counts.rows,
        failed=manifest.counts.failed,
        reused=manifest.counts.rows,
        forgotten=outcome.forgotten,
        seconds=_seconds(snapshot.target.started, finished),
        model=str(outcome.provenance["model"]),
        digest=str(outcome.provenance["digest"]),
        exit_code=_exit_code(snapshot, manifest),
        notes=snapshot.notes,
    )
    where = files.join(snapshot.store.snapshot(snapshot.base), METRICS)
    told = manifest.model_copy(update={"refresh": refresh})
    files.write_bytes(where, open_metrics(told).encode())  # when it was, a collector must know
    return refresh


def _told(
    snapshot: SnapshotTarget, outcome: Outcome, manifest: Manifest, feed: Feed, added: int
) -> Refresh:
    embedded = sum(part.rows for part in outcome.embedded)
    return Refresh(
        run_id=snapshot.run_id,
        snapshot=snapshot.number,
        base=snapshot.base,
        published=True,
        started=manifest.started,
        finished=manifest.finished,
        rows=manifest.counts.rows,
        failed=manifest.counts.failed,
        embedded=embedded,
        reused=manifest.counts.rows - embedded,
        inserted=feed.counts["insert"],
        updated=feed.counts["update"],
        relabeled=feed.counts["attributes"],
        deleted=feed.counts["delete"],
        forgotten=outcome.forgotten,
        tokens=sum(part.tokens for part in outcome.embedded),
        seconds=_seconds(manifest.started, manifest.finished),
        server_seconds=round(outcome.effort.get("server_s", 0.0), 3),
        model=str(outcome.provenance["model"]),
        digest=str(outcome.provenance["digest"]),
        bytes_added=added,
        exit_code=_exit_code(snapshot, manifest),
        notes=[*snapshot.notes, *_accepted(snapshot, outcome)],
    )


def _accepted(snapshot: SnapshotTarget, outcome: Outcome) -> list[str]:
    """Return which changes of the engine this refresh was told to accept, in words."""
    base = snapshot.store.manifest()
    before = base.provenance.get(ACCEPTED, ()) if base else ()
    return list(outcome.provenance.get(ACCEPTED, ()))[len(before) :]


def _exit_code(snapshot: SnapshotTarget, manifest: Manifest) -> int:
    too_many = manifest.counts.too_many_failed(snapshot.target.output.max_failed_fraction)
    return ExitCode.TOO_MANY_FAILED if too_many else ExitCode.PUBLISHED


def _seconds(started: str, finished: str) -> float:
    took = datetime.fromisoformat(finished) - datetime.fromisoformat(started)
    return round(max(0.0, took.total_seconds()), 3)  # a clock may be set back meanwhile
