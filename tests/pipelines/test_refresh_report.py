"""What a refresh tells at its end."""

from embed_pipeline.manifest import Refresh
from embed_pipeline.pipelines.refresh_report import pairs
from embed_pipeline.store import Store

STORE = Store("out/store")
TOLD = Refresh(
    run_id="night",
    snapshot=12,
    base=11,
    published=True,
    started="2026-03-03T22:00:00+00:00",
    finished="2026-03-03T22:00:09+00:00",
    rows=12_345,
    failed=3,
    embedded=45,
    reused=12_300,
    inserted=30,
    updated=15,
    relabeled=7,
    deleted=2,
    tokens=6_789,
    seconds=9.04,
    server_seconds=4.2,
    model="all-minilm",
    digest="d1" * 32,
    bytes_added=1_260_000,
)


def test_a_snapshot_is_told_with_what_is_new_in_it() -> None:
    assert pairs(STORE, TOLD) == [
        ("snapshot", "out/store/snapshots/000012"),
        ("rows", "12,345: 45 embedded, 12,300 reused"),
        ("changes", "30 inserted, 15 updated, 7 with other attributes, 2 deleted"),
        ("failed", "3, listed in out/store/snapshots/000012/failures"),
        ("tokens", "6,789"),
        ("added", "1.3 MB on disk"),
        ("model", "all-minilm d1d1d1d1d1d1"),
        ("time", "9.0 s, 4.2 s of them at the endpoint"),
    ]


def test_a_night_without_changes_is_told_as_one() -> None:
    same = TOLD.model_copy(update={"published": False, "snapshot": 11})
    assert pairs(STORE, same) == [
        ("snapshot", "out/store/snapshots/000011, as before: nothing has changed"),
        ("rows", "12,345"),
        ("failed", "3, listed in out/store/snapshots/000011/failures"),
        ("time", "9.0 s"),
    ]


def test_documents_that_were_left_out_are_told() -> None:
    told = ("forgotten", "1,000 documents left out")
    for published in (True, False):
        found = TOLD.model_copy(update={"forgotten": 1_000, "published": published})
        assert told in pairs(STORE, found)
    assert told not in pairs(STORE, TOLD)


def test_where_nothing_failed_no_list_is_named() -> None:
    assert ("failed", "0") in pairs(STORE, TOLD.model_copy(update={"failed": 0}))


def test_every_note_is_told() -> None:
    found = pairs(STORE, TOLD.model_copy(update={"notes": ["one", "two"]}))
    assert found[-2:] == [("note", "one"), ("note", "two")]


def test_too_many_failures_are_told() -> None:
    last = pairs(STORE, TOLD.model_copy(update={"exit_code": 3}))[-1][1]
    assert last == "more documents failed than output.max_failed_fraction allows (exit code 3)"


def test_too_many_failures_are_told_where_nothing_has_changed() -> None:
    found = pairs(STORE, TOLD.model_copy(update={"exit_code": 3, "published": False}))
    assert found[-1][1].endswith("(exit code 3)")
