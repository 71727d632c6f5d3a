"""What is left out of a snapshot is taken off each of its counts."""

import pyarrow as pa

from embed_pipeline.deductions import Deductions
from embed_pipeline.manifest import Counts
from embed_pipeline.output import Output
from embed_pipeline.owners import Naming
from embed_pipeline.schema import Layout, failures_batch, id_hash
from tests.support.rows import row
from tests.support.scripted import DIMENSION
from tests.support.snapshots import failure

OUTPUT = Output(path=".", columns={"token_count": "tokens"})
COUNTS = Counts(
    documents=10,
    rows=6,
    failed=3,
    duplicates_dropped=1,
    tokens=30,
    rows_by_token_count_source={"estimated": 5, "server": 1},
    rows_by_truncated={"null": 5, "true": 1},
    failed_by_blame_and_kind={"document:EmptyText": 2, "server:Overloaded": 1},
    chunked_documents=4,
)


def rows() -> pa.Table:
    layout = Layout(OUTPUT, DIMENSION, {})
    made = [row("a", token_count=4), row("b", token_count_source="server", truncated=True)]
    return pa.Table.from_batches([layout.batch(made)])


def test_rows_and_failures_are_taken_off() -> None:
    gone = Deductions(OUTPUT, Naming("id", split=False))
    gone.count_rows(rows())
    failed = [failure("c", " "), failure("d", "x", kind="Overloaded", blame="server")]
    gone.count_failures(pa.Table.from_batches([failures_batch(failed)]))
    gone.count_changes(rows())
    assert (gone.rows, gone.failed, gone.changes) == (2, 2, 2)
    assert gone.counts(COUNTS.model_copy(update={"chunked_documents": None})) == Counts(
        documents=6,
        rows=4,
        failed=1,
        duplicates_dropped=1,
        tokens=21,
        rows_by_token_count_source={"estimated": 4},
        rows_by_truncated={"null": 4},
        failed_by_blame_and_kind={"document:EmptyText": 1},
    )


def test_a_document_that_was_split_counts_once_and_one_that_was_not_read_never() -> None:
    gone = Deductions(OUTPUT, Naming("id", split=True))
    gone.split |= {id_hash("a")}
    piece = '{"document_id": "a"}'
    failed = [
        failure("a#1", "x", attributes=piece),
        failure("b", "x", stage="chunk"),
        failure("c", "x", stage="read"),
    ]
    gone.count_failures(pa.Table.from_batches([failures_batch(failed)]))
    assert gone.counts(COUNTS).chunked_documents == 2


def test_counts_that_an_older_manifest_does_not_tell_stay_untold() -> None:
    gone = Deductions(OUTPUT, Naming("id", split=False))
    gone.count_rows(rows())
    assert gone.counts(COUNTS.model_copy(update={"rows_by_truncated": {}})).rows_by_truncated == {}
