"""The accounts of a run: what its documents have become, and that none is missing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from embed_pipeline import errors
from embed_pipeline.manifest import Counts
from embed_pipeline.parts import PartFile, Written
from embed_pipeline.staging import Run


def counts(
    rows: Sequence[PartFile], dropped: int, failures: Sequence[PartFile], written: Written
) -> Counts:
    """Count what the documents of a run have become.

    Args:
        rows: The files of rows that are to be published.
        dropped: Rows that were left out of them, as their ids stand in another one.
        failures: The files of failures.
        written: What was written before the commit.
    """
    sources: Counter[str] = Counter()
    truncated: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for part in rows:
        sources.update(part.sources)
        truncated.update(part.truncated)
    for part in failures:
        kinds.update(part.sources)
    return Counts(
        chunked_documents=written.chunked,
        documents=written.documents,
        rows=sum(part.rows for part in rows),
        failed=sum(part.rows for part in failures),
        duplicates_dropped=dropped + written.repeated,
        tokens=sum(part.tokens for part in rows),
        rows_by_token_count_source=dict(sorted(sources.items())),
        rows_by_truncated=dict(sorted(truncated.items())),
        failed_by_blame_and_kind=dict(sorted(kinds.items())),
    )


def check_complete(found: Counts, run: Run, *, reused: bool) -> None:
    """Prove that rows and failures are as many as the documents that came in.

    Args:
        found: The counts.
        run: The run.
        reused: Whether some of the rows are from earlier runs.

    Raises:
        DatasetError: They are not; nothing is to be published.
    """
    lost = found.documents - found.rows - found.failed - found.duplicates_dropped
    if lost < 0 and reused:
        raise errors.DatasetError(
            f"{-lost} of the vectors that were to be reused are of documents the corpus does not "
            "have any more, although its files look the same; run the job again with --fresh"
        )
    if lost:
        raise errors.DatasetError(
            f"{found.documents} documents came in, but {found.rows} rows and {found.failed} "
            f"failures came out: {lost} are missing; nothing is published, what there is stands in "
            f"{run.staging}; please report this"
        )


def check_any_vector(written: Written) -> None:
    """Refuse to publish nothing but what an endpoint in trouble has left.

    Raises:
        NothingSucceeds: There is no row, and texts have failed in a way that may pass.
    """
    kinds: Counter[str] = Counter()
    for part in written.failures:
        for failed, count in part.sources.items():
            kind = getattr(errors, failed.partition(":")[2], errors.EmbedPipelineError)
            if issubclass(kind, errors.TransientError):
                kinds[kind.__name__] += count
    if not kinds or any(part.rows for part in written.parts):
        return
    name, count = kinds.most_common(1)[0]
    raise errors.NothingSucceeds(
        f"not one text has got a vector: {kinds.total()} have failed at the endpoint, {count} of "
        f"them with {name}; see to the endpoint (embed-pipeline check shows what it answers) and "
        "run the job again"
    )


def check_not_repeated(written: Written) -> None:
    """Refuse documents that only look like one whose row is reused: their ids are not unique.

    Raises:
        RefusedError: There are some.
    """
    if written.repeated:
        raise errors.RefusedError(
            f"the corpus has {written.repeated} documents with the id and the file of others, but "
            "on lines that are not known: make the ids unique, or run the job again with --fresh, "
            "which names them"
        )


def held_against_plan(
    expected: Mapping[str, float] | None, started: str, finished: str
) -> dict[str, float] | None:
    """Return what was planned for a job beside what it took, in seconds; None where nothing was."""
    if expected is None:
        return None
    took = datetime.fromisoformat(finished) - datetime.fromisoformat(started)
    seconds = {**expected, "actual_seconds": took.total_seconds()}
    return {name: round(value, 1) for name, value in seconds.items()}
