"""Add to a published dataset what was a failure: the manifest, replaced last, says it.

Until the manifest is replaced, the old dataset is whole: what is new stands in the staging folder,
then under names the old manifest does not list. After that the new one is, and what only the old
one listed is deleted (`claims.claimed`).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from embed_pipeline import commit, files, interrupt, reporting
from embed_pipeline.card_file import write_card
from embed_pipeline.claims import RetryRun
from embed_pipeline.commit import MergeTask, Target
from embed_pipeline.errors import DatasetError, InterruptedJobError, RefusedError
from embed_pipeline.failure_parts import merged
from embed_pipeline.manifest import Counts, DataFile, Manifest, Retried, read_manifest
from embed_pipeline.outcomes import added_up
from embed_pipeline.packing import packed
from embed_pipeline.parts import PartFile, Written
from embed_pipeline.progress import tell_writing
from embed_pipeline.staging import Folder


class Amendment(NamedTuple):
    """Say what is added to which dataset.

    Attributes:
        run: The run, which has claimed the dataset.
        target: The same run, the layout of its rows, and when it started.
        manifest: The dataset's manifest as it was then.
    """

    run: RetryRun
    target: Target
    manifest: Manifest


def publish(amendment: Amendment, written: Written) -> Manifest:
    """Make rows and failures part of the dataset; the manifest is replaced last.

    Args:
        amendment: The dataset, and the run that was claimed for it.
        written: Of all its failures; `documents` were tried again, and `provenance` is that of now.

    Raises:
        InterruptedJobError: A stop was asked for, so that the parts may not be all.
        DatasetError: Rows and failures are not as many as there were failures.
        RefusedError: Another run has published there meanwhile.
    """
    if interrupt.stop_requested():
        raise InterruptedJobError("stopped before everything was embedded; nothing is published")
    run, _, old = amendment
    tell_writing(run)
    rows = _merged(amendment, sorted(written.parts, key=lambda part: (part.first, part.path)))
    failed = merged(run, sorted(written.failures, key=lambda part: part.path))
    counts = _counts(old.counts, rows, failed)
    succeeded = counts.rows - old.counts.rows
    _check_none_lost(old.counts.failed, succeeded, counts.failed)
    if read_manifest(run.path) != old:
        raise RefusedError(
            f"another run has published in {run.path} meanwhile; what this one has embedded "
            "is dropped: try again"
        )
    manifest = old.model_copy(
        update={
            "counts": counts,
            "recount": _added(old.recount, written.recount),
            "effort": added_up([old.effort, written.effort]),
            "data": [*old.data, *_placed(run, "data", rows)],
            "failures": _placed(run, "failures", failed),
            "retried": [*old.retried, _told(amendment, written, succeeded)],
        }
    )
    files.write_bytes(run.manifest, manifest.to_json())
    reporting.renew(run.path, manifest, amendment.target.output)
    write_card(run.path, manifest)
    return manifest


def _check_none_lost(before: int, succeeded: int, failed: int) -> None:
    """Refuse to publish where a failure has become neither a row nor a failure again."""
    lost = before - succeeded - failed
    if lost:
        raise DatasetError(
            f"{before} failures became {succeeded} rows and {failed} failures: {lost} are missing; "
            "nothing is published; please report this"
        )


def _merged(amendment: Amendment, parts: Sequence[PartFile]) -> list[PartFile]:
    """Put small parts together, as checkpoints leave them; one row group is in memory."""
    limit = amendment.target.output.file_mb * 1_000_000
    groups = packed(((part, part.bytes, False) for part in parts), limit)
    made = amendment.manifest.provenance
    tasks = [MergeTask(n, tuple(group), ((),) * len(group)) for n, group in enumerate(groups)]
    return [commit.merge(amendment.target, made, task).file for task in tasks]


def _counts(old: Counts, rows: Sequence[PartFile], failed: Sequence[PartFile]) -> Counts:
    sources = [part.sources for part in rows]
    truncated = [part.truncated for part in rows]
    known = old.rows_by_truncated or not old.rows  # older manifests do not tell
    return old.model_copy(
        update={
            "rows": old.rows + sum(part.rows for part in rows),
            "failed": sum(part.rows for part in failed),
            "tokens": old.tokens + sum(part.tokens for part in rows),
            "rows_by_token_count_source": _sums(old.rows_by_token_count_source, *sources),
            "rows_by_truncated": _sums(old.rows_by_truncated, *truncated) if known else {},
            "failed_by_blame_and_kind": _sums(*(part.sources for part in failed)),
        }
    )


def _sums(*tallies: Mapping[str, int]) -> dict[str, int]:
    """Return the sum of each name's numbers, by name."""
    return {key: int(count) for key, count in sorted(added_up(tallies).items())}


def _added(
    old: Mapping[str, Mapping[str, int]], new: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int]]:
    """Return two samples of token counts as one."""
    return {key: _sums(old.get(key, {}), new.get(key, {})) for key in sorted({*old, *new})}


def _placed(run: RetryRun, folder: Folder, parts: Sequence[PartFile]) -> list[DataFile]:
    """Move files into the dataset, under names that no manifest lists yet."""
    placed = []
    for number, part in enumerate(parts):
        path = run.placed(folder, number)
        files.move(part.path, files.join(run.path, path))
        placed.append(DataFile(path=path, rows=part.rows, bytes=part.bytes, sha256=part.sha256))
    return placed


def _told(amendment: Amendment, written: Written, succeeded: int) -> Retried:
    found = written.provenance
    return Retried(
        run_id=amendment.run.run_id,
        started=amendment.target.started,
        finished=commit.now(),
        tried=written.documents,
        succeeded=succeeded,
        endpoint=found["endpoint"],
        endpoint_version=found["endpoint_version"],
        embed_pipeline=found["embed_pipeline"],
    )
