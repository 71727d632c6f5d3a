"""The commit of a refresh: nothing is seen before all of it is there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed_pipeline import files
from embed_pipeline.card import card
from embed_pipeline.comparing import Comparison, Copy
from embed_pipeline.copying import Wanted, copy_rows
from embed_pipeline.errors import DatasetError
from embed_pipeline.known import Known, Source, offsets, read_marks
from embed_pipeline.lasting import Verdicts
from embed_pipeline.parts import PartFile
from embed_pipeline.provenance import ACCEPTED
from embed_pipeline.publication import publish
from embed_pipeline.records import Document
from embed_pipeline.snapshot import data_files
from embed_pipeline.store import Store
from embed_pipeline.twins import Twins
from embed_pipeline.verify import verify
from tests.support.marked import N, document, embedded, failed, failures, layout, part
from tests.support.refreshing import STARTED, Night, began, changes, current
from tests.support.rows import made_by

ROWS = [embedded("a", "one"), embedded("b", "two"), embedded("c", "three")]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(str(tmp_path / "store"))
    began(found, ROWS, checkpoint_mb=1)
    return found


def texts(store: Store) -> dict[str, str]:
    return {row["id"]: row["text"] for row in current(store)}


def problems(store: Store) -> list[str]:
    manifest = store.manifest()
    assert manifest is not None
    found = verify(store.snapshot(store.number() or 0), manifest)
    return [f"{one.file}: {one.what}" for one in found.problems]


def test_the_first_snapshot_inserts_every_row(store: Store) -> None:
    assert (store.number(), texts(store)) == (1, {"a": "one", "b": "two", "c": "three"})
    assert changes(store) == [("insert", "a"), ("insert", "b"), ("insert", "c")]
    assert problems(store) == []


def test_what_a_night_did_is_told_and_logged(store: Store, tmp_path: Path) -> None:
    night = Night(store, run_id="tonight", notes=("noted",))
    told = night.publish(
        night.outcome(
            [[0]],
            embedded=[night.embedded(embedded("b", "new")), night.embedded(embedded("x", "more"))],
            copied=[night.embedded(embedded("y", "one"))],
            failures=failures(tmp_path / "f", failed("p", "poison")),
            effort={"server_s": 1.23456},
            forgotten=4,
        )
    )
    assert texts(store) == {"a": "one", "b": "new", "x": "more", "y": "one"}
    assert changes(store) == [("delete", "c"), ("insert", "x"), ("insert", "y"), ("update", "b")]
    counted = (told.rows, told.failed, told.embedded, told.reused, told.tokens, told.forgotten)
    assert counted == (4, 1, 2, 2, 10, 4)
    assert (told.inserted, told.updated, told.relabeled, told.deleted) == (2, 1, 0, 1)
    assert (told.run_id, told.snapshot, told.base, told.published) == ("tonight", 2, 1, True)
    assert (told.started, told.server_seconds, told.notes) == (STARTED, 1.235, ["noted"])
    assert told.exit_code == 3  # a failure in five
    assert store.entries()[-1] == told
    manifest = store.manifest()
    assert manifest is not None
    assert manifest.refresh == told
    assert problems(store) == []


def test_publishing_again_changes_nothing(store: Store) -> None:
    night = Night(store)
    outcome = night.outcome([[0]], embedded=[night.embedded(embedded("b", "new"))])
    told = night.publish(outcome)
    assert publish(night.target, outcome, []) == told
    assert (store.number(), texts(store)) == (2, {"a": "one", "b": "new"})
    assert len(store.entries()) == 2
    assert problems(store) == []


def test_where_nothing_has_changed_only_the_log_is_told(store: Store) -> None:
    night = Night(store, run_id="quiet")
    told = night.publish(night.outcome(forgotten=1))
    assert (told.snapshot, told.published, told.rows, told.reused) == (1, False, 3, 3)
    assert (told.bytes_added, told.embedded, told.forgotten) == (0, 0, 1)
    assert store.number() == 1
    assert store.entries()[-1].model_dump() == {**told.model_dump(), "notes": []}
    assert not files.exists(store.snapshot(2))


def test_a_file_that_stays_is_the_same_file_and_adds_no_bytes(store: Store) -> None:
    night = Night(store, file_mb=1)
    noise = np.random.default_rng(1).integers(33, 123, (1_500, 600), np.uint8)
    rows = [embedded(f"d{n}", one.tobytes().decode()) for n, one in enumerate(noise)]
    night.publish(night.outcome([[]], embedded=[night.embedded(*rows)]))
    before = Path(store.snapshot(2), "data", "part-00000.parquet")
    night = Night(store, file_mb=1)
    told = night.publish(night.outcome(embedded=[night.embedded(embedded("x", "new"))]))
    after = Path(store.snapshot(3), "data", "part-00000.parquet")
    assert before.stat().st_ino == after.stat().st_ino
    folder = Path(store.snapshot(3))
    size = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
    assert told.bytes_added == size - after.stat().st_size
    assert problems(store) == []


def test_rows_of_a_stopped_run_are_reused_and_inserted(store: Store, tmp_path: Path) -> None:
    left = Source(part(layout(tmp_path / "left"), embedded("x", "new"), embedded("c", "newer")), 1)
    night = Night(store, left)
    told = night.publish(night.outcome([[0, 1], [0, 1]]))
    assert (told.embedded, told.reused) == (0, 4)
    assert changes(store) == [("insert", "x"), ("update", "c")]


def test_another_attribute_is_a_change_of_attributes(store: Store) -> None:
    night = Night(store)
    told = night.publish(night.outcome([[0, 2]], copied=[night.embedded(embedded("b", "two", {}))]))
    assert (changes(store), told.relabeled) == ([("attributes", "b")], 1)


def test_where_nothing_is_reused_every_row_is_an_update(store: Store) -> None:
    night = Night(store, reuses=False)
    rows = [*ROWS[:2], embedded("z", "new")]
    told = night.publish(night.outcome(embedded=[night.embedded(*rows)]))
    assert changes(store) == [("delete", "c"), ("insert", "z"), ("update", "a"), ("update", "b")]
    assert (told.embedded, told.reused) == (3, 0)


def test_a_copy_of_what_was_embedded_anew_is_an_update_too(store: Store) -> None:
    night = Night(store, reuses=False)
    fresh, twin = night.embedded(ROWS[0]), night.embedded(ROWS[1], ROWS[2])
    night.publish(night.outcome(embedded=[fresh], copied=[twin]))
    assert changes(store) == [("update", "a"), ("update", "b"), ("update", "c")]


def test_a_corpus_that_has_become_empty_leaves_a_snapshot_without_rows(store: Store) -> None:
    night = Night(store)
    told = night.publish(night.outcome([[]]))
    assert (told.rows, told.deleted, current(store)) == (0, 3, [])
    assert problems(store) == []
    again = Night(store)
    assert not again.publish(again.outcome()).published
    back = Night(store)
    back.publish(back.outcome(embedded=[back.embedded(*ROWS)]))
    assert len(texts(store)) == 3


def test_an_attribute_that_is_new_is_null_in_the_rows_that_stay(store: Store) -> None:
    types: Any = {"n": "int64", "m": "string"}
    night = Night(store, types=types)
    fresh = night.embedded(embedded("x", "new", {"m": "here"}, types))
    told = night.publish(night.outcome(embedded=[fresh]))
    assert [(row["id"], row["m"]) for row in current(store)] == [
        ("a", None),
        ("b", None),
        ("c", None),
        ("x", "here"),
    ]
    assert (changes(store), told.updated) == ([("insert", "x")], 0)
    assert problems(store) == []


@pytest.mark.parametrize("off", [-1, 1])
def test_a_document_more_or_less_than_came_in_is_not_published(store: Store, off: int) -> None:
    night = Night(store)
    with pytest.raises(DatasetError, match="please report this"):
        night.publish(night.outcome([[0, 1]], expected=2 + off))
    assert (store.number(), len(store.entries())) == (1, 1)


def test_a_manifest_of_a_run_that_was_killed_right_before_publishing_is_replaced(
    store: Store,
) -> None:
    files.write_bytes(files.join(store.snapshot(2), "manifest.json"), b"{}")
    files.write_bytes(files.join(store.snapshot(2), "data", "part-00007.parquet"), b"old")
    night = Night(store)
    night.publish(night.outcome([[0]]))
    assert texts(store) == {"a": "one"}
    assert problems(store) == []


def test_old_snapshots_are_deleted_but_for_as_many_as_are_kept(store: Store) -> None:
    for number in range(3):
        night = Night(store, keep=2)
        night.publish(night.outcome(embedded=[night.embedded(embedded(f"x{number}", "new"))]))
    assert store.numbers() == [3, 4]
    assert len(texts(store)) == 6


def test_a_snapshot_is_published_also_where_the_log_cannot_be_written(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    for entry in Path(store.log).iterdir():
        entry.unlink()
    Path(store.log).rmdir()
    Path(store.log).write_text("no folder")
    night = Night(store)
    told = night.publish(night.outcome([[0, 1]]))
    assert (told.published, store.number()) == (True, 2)
    assert "snapshot 2 is published, but not all" in caplog.text


def test_an_accepted_change_of_the_engine_is_told_in_the_night_it_happened(store: Store) -> None:
    made = {**made_by(), "canary": {"texts": [], "vectors": ""}, ACCEPTED: ["moved; accepted"]}
    night = Night(store, notes=("first",))
    assert list(night.publish(night.outcome(provenance=made)).notes) == ["first", "moved; accepted"]
    later = Night(store)
    told = later.publish(later.outcome([[0]], provenance=made))
    assert list(told.notes) == []


def test_figures_stand_beside_the_snapshot(store: Store) -> None:
    content = files.read_bytes(files.join(store.snapshot(1), "metrics.prom"))
    assert content.endswith(b"# EOF\n")


def test_its_card_stands_in_the_snapshot(store: Store) -> None:
    manifest = store.manifest()
    assert manifest is not None
    assert files.read_bytes(files.join(store.snapshot(1), "README.md")).decode() == card(manifest)


CORPORA = st.dictionaries(
    st.sampled_from("abcdef"),
    st.tuples(st.sampled_from(["one", "two", "three", "poison"]), st.sampled_from([None, 1])),
    max_size=6,
)


def refreshed(store: Store, corpus: Mapping[str, tuple[str, int | None]], path: Path) -> int:
    """Refresh a store as the pipeline does, without it; return how many texts were embedded."""
    night = Night(store)
    manifest = store.manifest()
    folder = store.snapshot(night.base or 0)
    known = [files.join(folder, one.path) for one in manifest.failures] if manifest else []
    comparison = Comparison(Known(night.sources), Verdicts(known), N)
    documents = [Document(name, text, {"n": n}) for name, (text, n) in corpus.items()]
    found = comparison.compare(documents)
    first: dict[str, Document] = {}
    for one in found.todo:
        first.setdefault(one.text, one)
    sent = [one for one in first.values() if one.text != "poison"]
    lost = [failed(one.id, one.text) for one in first.values() if one.text == "poison"]
    fresh = [night.embedded(*(embedded(*one[:3]) for one in sent))] if sent else []
    failed_parts = failures(path / "lost", *lost)
    wanted: dict[str, list[Wanted]] = {}
    for copy in found.copies:
        for source, number in copy.rows:
            where = night.sources[source].part.path
            wanted.setdefault(where, []).append(Wanted(number, copy.document))
    twins, others = Twins(fresh, failed_parts, split=False), list(found.failed)
    for one in found.todo:
        if first[one.text] is not one:
            rows, also = twins.find(Copy(one._replace(text=""), (), first[one.text].id))
            others += also
            for where, number in rows:
                wanted.setdefault(where, []).append(Wanted(number, one._replace(text="")))
    how = night.target.target.layout(made_by())
    copied = [
        made
        for where, some in wanted.items()
        for made in copy_rows(night.run, how, made_by(), where, some)
    ]
    lost_parts: list[PartFile] = [*failed_parts, *failures(path / "others", *others)]
    kept = [one.tolist() for one in offsets(night.sources).numbers(found.kept)]
    night.publish(night.outcome(kept, embedded=fresh, copied=copied, failures=lost_parts))
    return len(sent)


@settings(max_examples=40)
@given(nights=st.lists(CORPORA, min_size=2, max_size=4))
def test_after_any_nights_the_store_holds_the_last_corpus_and_embedded_each_text_once(
    tmp_path_factory: pytest.TempPathFactory, nights: list[dict[str, tuple[str, int | None]]]
) -> None:
    path = tmp_path_factory.mktemp("nights")
    store = Store(str(path / "store"))
    copy: dict[str, dict[str, Any]] = {}
    before: set[str] = set()
    for number, corpus in enumerate(nights):
        there = store.number()
        sent = refreshed(store, corpus, path / str(number))
        wanted = {name: one for name, one in corpus.items() if one[0] != "poison"}
        assert {row["id"]: (row["text"], row["n"]) for row in current(store)} == wanted
        texts_now = {text for text, _ in wanted.values()}
        assert sent == len(texts_now - before)
        before = texts_now
        if store.number() != there:
            apply(store, copy)
        assert copy == {row["id"]: row for row in current(store)}
        marks = {document(name, text, {"n": n}).mark for name, (text, n) in wanted.items()}
        assert marks == marks_of(store)
        manifest = store.manifest()
        assert manifest is not None
        assert manifest.counts.failed == len(corpus) - len(wanted)
        assert problems(store) == []


def apply(store: Store, copy: dict[str, dict[str, Any]]) -> None:
    """Apply the changes of the current snapshot, as a consumer does."""
    manifest = store.manifest()
    assert manifest is not None
    folder = store.snapshot(store.number() or 0)
    for file in manifest.changes:
        for row in pq.read_table(files.join(folder, file.path)).to_pylist():
            op = row.pop("op")
            assert (op == "insert") == (row["id"] not in copy)
            if op == "delete":
                del copy[row["id"]]
            elif op == "attributes":
                copy[row["id"]]["n"] = row["n"]
            else:
                copy[row["id"]] = row


def marks_of(store: Store) -> set[bytes]:
    manifest = store.manifest()
    assert manifest is not None
    parts = data_files(store.snapshot(store.number() or 0), manifest.data, manifest.index)
    return {mark.tobytes() for one in parts for mark in read_marks(one)}
