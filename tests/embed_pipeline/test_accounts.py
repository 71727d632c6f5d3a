"""The accounts: what is counted, and what is refused."""

import pytest

from embed_pipeline import accounts
from embed_pipeline.errors import DatasetError, NothingSucceeds, RefusedError
from embed_pipeline.manifest import Counts
from embed_pipeline.parts import PartFile, Written
from embed_pipeline.staging import Run

RUN = Run("/out", "20260101T000000Z-abc123")
ROWS = PartFile("r", 3, 9, "", 12, {"server": 3}, truncated={"false": 2, "true": 1})
EMPTY = PartFile("f", 1, 9, "", sources={"document:EmptyText": 1})
CRASHED = PartFile("f", 2, 9, "", sources={"document:RunnerCrashed": 1, "server:Overloaded": 1})


def count(documents: int, repeated: int = 0) -> Counts:
    return accounts.counts(
        [ROWS, ROWS], 1, [EMPTY], Written({}, documents, [], [], repeated=repeated)
    )


def test_everything_is_added_up() -> None:
    assert count(10, 2).model_dump() == {
        "documents": 10,
        "rows": 6,
        "failed": 1,
        "duplicates_dropped": 3,
        "tokens": 24,
        "rows_by_token_count_source": {"server": 6},
        "rows_by_truncated": {"false": 4, "true": 2},
        "failed_by_blame_and_kind": {"document:EmptyText": 1},
        "chunked_documents": None,
    }


def test_what_adds_up_is_complete() -> None:
    accounts.check_complete(count(8), RUN, reused=True)


def test_what_is_missing_is_told() -> None:
    with pytest.raises(DatasetError, match=r"2 are missing; .* /out/staging/2026"):
        accounts.check_complete(count(10), RUN, reused=True)


def test_reused_rows_without_a_document_are_told() -> None:
    with pytest.raises(DatasetError, match=r"^1 of the vectors .* with --fresh"):
        accounts.check_complete(count(7), RUN, reused=True)


def test_failures_alone_are_refused_where_they_may_pass() -> None:
    with pytest.raises(NothingSucceeds, match="2 have failed at the endpoint, 1 of them with"):
        accounts.check_any_vector(Written({}, 3, [], [CRASHED, EMPTY]))


@pytest.mark.parametrize(
    "written",
    [Written({}, 4, [ROWS], [CRASHED]), Written({}, 1, [], [EMPTY]), Written({}, 0, [], [])],
)
def test_anything_else_is_published(written: Written) -> None:
    accounts.check_any_vector(written)


def test_repeated_documents_are_refused() -> None:
    accounts.check_not_repeated(Written({}, 1, [], []))
    with pytest.raises(RefusedError, match="1 documents with the id and the file of others"):
        accounts.check_not_repeated(Written({}, 2, [], [], repeated=1))


def test_a_plan_stands_beside_what_it_took() -> None:
    times = ("2026-01-01T00:00:00.000+00:00", "2026-01-01T00:01:00.260+00:00")
    assert accounts.held_against_plan({"seconds": 50.0}, *times) == {
        "seconds": 50.0,
        "actual_seconds": 60.3,
    }
    assert accounts.held_against_plan(None, *times) is None
