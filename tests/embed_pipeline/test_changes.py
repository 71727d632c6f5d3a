"""The change feed: applied to a copy of one snapshot, it gives the next."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed_pipeline import changes
from embed_pipeline.attributes import AttributeTypes
from embed_pipeline.changes import Feed, Partly, write_changes
from embed_pipeline.parts import PartFile
from embed_pipeline.records import Embedded
from embed_pipeline.resume import is_sound
from embed_pipeline.schema import Layout
from embed_pipeline.staging import Run
from tests.support.marked import SPLIT, embedded, layout, part, piece, rows_of
from tests.support.rows import RUN_ID
from tests.support.scripted import vector_of

KINDS = ["float32", "list<float>", "float16"]


def partly(made: PartFile, *numbers: int, old: bool = False) -> Partly:
    return Partly(made, np.array(numbers, np.int64), old)


def feed(
    how: Layout, gone: Sequence[Partly], fresh: Sequence[Partly], id_column: str = "id"
) -> Feed:
    return write_changes(Run(how.output.path, RUN_ID), how, gone, fresh, id_column)


def told(found: Feed) -> list[tuple[str, str]]:
    return sorted((one["op"], one["id"]) for one in rows_of(found.parts))


def test_rows_that_were_not_there_are_inserted_whole(tmp_path: Path) -> None:
    how = layout(tmp_path)
    found = feed(how, [], [partly(part(how, embedded("a", "one"), embedded("b", "two")), 1)])
    assert rows_of(found.parts) == [
        {
            "op": "insert",
            "id": "b",
            "text": "two",
            "vector": vector_of("two").tolist(),
            "model": "all-minilm",
            "token_count": 5,
            "token_count_source": "estimated",
            "truncated": None,
            "n": 1,
        }
    ]
    assert found.counts == {"insert": 1, "update": 0, "attributes": 0, "delete": 0}


def test_another_text_is_an_update_with_the_whole_row(tmp_path: Path) -> None:
    how = layout(tmp_path)
    gone = partly(part(how, embedded("a", "one"), embedded("b", "two")), 1)
    found = feed(how, [gone], [partly(part(how, embedded("b", "new")), 0)])
    (row,) = rows_of(found.parts)
    assert (row["op"], row["id"], row["text"]) == ("update", "b", "new")
    assert row["vector"] == vector_of("new").tolist()


def test_another_attribute_comes_without_text_and_vector(tmp_path: Path) -> None:
    how = layout(tmp_path)
    gone = partly(part(how, embedded("a", "one")), 0)
    found = feed(how, [gone], [partly(part(how, embedded("a", "one", {"n": 2})), 0, old=True)])
    (row,) = rows_of(found.parts)
    assert {name for name, value in row.items() if value is not None} == {"op", "id", "n"}
    assert (row["op"], row["id"], row["n"]) == ("attributes", "a", 2)


def test_the_same_text_with_a_new_vector_is_an_update(tmp_path: Path) -> None:
    how = layout(tmp_path)
    base = part(how, embedded("a", "one"), embedded("b", "two"))
    found = feed(how, [partly(base, 0, 1)], [partly(base, 0, 1)])
    assert told(found) == [("update", "a"), ("update", "b")]
    assert all(row["vector"] for row in rows_of(found.parts))


def test_rows_that_are_gone_are_deleted_by_their_ids(tmp_path: Path) -> None:
    how = layout(tmp_path)
    base = part(how, *(embedded(name, f"text of {name}") for name in "abcd"))
    found = feed(how, [partly(base, 0, 2, 3)], [])
    assert told(found) == [("delete", "a"), ("delete", "c"), ("delete", "d")]
    (first, *_) = rows_of(found.parts)
    assert {name for name, value in first.items() if value is not None} == {"op", "id"}


def test_nothing_changed_is_no_file(tmp_path: Path) -> None:
    how = layout(tmp_path)
    base = part(how, embedded("a", "one"))
    found = feed(how, [partly(base)], [partly(base)])
    assert found == Feed([], {"insert": 0, "update": 0, "attributes": 0, "delete": 0})


def test_a_deletion_of_many_is_cut_into_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "DELETED_AT_ONCE", 2)
    how = layout(tmp_path)
    base = part(how, *(embedded(name, name) for name in "abcde"))
    found = feed(how, [partly(base, 0, 1, 2, 3, 4)], [])
    assert [one["id"] for one in rows_of(found.parts)] == list("abcde")


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_of_some_rows_of_a_group_stay_with_their_rows(tmp_path: Path, kind: str) -> None:
    how = layout(tmp_path, vector_type=kind)
    fresh = part(how, *(embedded(f"d{n}", f"text {n}") for n in range(9)))
    base = part(how, embedded("d3", "old"), embedded("d7", "text 7", {"n": 9}))
    found = feed(how, [partly(base, 0, 1)], [partly(fresh, 2, 3, 7, 8, old=True)])
    vectors = {row["id"]: row["vector"] for row in rows_of([fresh])}
    assert {row["id"]: (row["op"], row["vector"]) for row in rows_of(found.parts)} == {
        "d2": ("insert", vectors["d2"]),
        "d3": ("update", vectors["d3"]),
        "d7": ("attributes", None),
        "d8": ("insert", vectors["d8"]),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_read_from_every_row_group_they_stand_in(tmp_path: Path, kind: str) -> None:
    how = layout(tmp_path, vector_type=kind)
    made = part(how, *(embedded(f"d{n}", f"text {n}") for n in range(10)))
    path = str(tmp_path / "groups.parquet")
    pq.write_table(pq.read_table(made.path), path, row_group_size=3)
    found = feed(how, [], [partly(made._replace(path=path), 0, 2, 3, 4, 5, 9)])
    rows = rows_of([made])
    assert [(row["id"], row["vector"]) for row in rows_of(found.parts)] == [
        (rows[n]["id"], rows[n]["vector"]) for n in (0, 2, 3, 4, 5, 9)
    ]


def test_the_feed_is_of_the_described_schema_and_whole(tmp_path: Path) -> None:
    how = layout(tmp_path)
    base = part(how, embedded("a", "one"), embedded("b", "two"))
    fresh = part(how, embedded("b", "new"), embedded("c", "three"))
    found = feed(how, [partly(base, 0, 1)], [partly(fresh, 0, 1)])
    (made,) = found.parts
    assert pq.read_schema(made.path).remove_metadata() == how.changes()
    assert is_sound(made)
    assert (made.rows, sum(found.counts.values())) == (3, 3)


def test_a_feed_is_cut_into_files_of_the_target_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "GROUP_BYTES", 1)
    how = layout(tmp_path, file_mb=1)
    noise = [
        "".join(map(chr, np.random.default_rng(n).integers(200, 9_000, 900_000))) for n in (1, 2)
    ]
    fresh = [partly(part(how, embedded(f"d{n}", text)), 0) for n, text in enumerate(noise)]
    found = feed(how, [], [*fresh, partly(part(how, embedded("z", "small")), 0)])
    assert [one.rows for one in found.parts] == [1, 1, 1]


@pytest.mark.parametrize(
    ("columns", "text"),
    [({"id": "key", "vector": "embedding"}, "keep"), ({}, "hash"), ({}, "drop")],
)
def test_columns_are_called_as_in_the_snapshot(
    tmp_path: Path, columns: dict[str, str], text: str
) -> None:
    how = layout(tmp_path, columns=columns, text=text)
    key = columns.get("id", "id")
    base = part(how, embedded("a", "one"), embedded("c", "x"))
    fresh = part(how, embedded("b", "two"), embedded("a", "one", {"n": 3}))
    found = feed(how, [partly(base, 0, 1)], [partly(fresh, 0, 1, old=True)], key)
    after = {row[key]: row for row in rows_of(found.parts)}
    assert {name: row["op"] for name, row in after.items()} == {
        "a": "attributes",
        "b": "insert",
        "c": "delete",
    }
    assert {k: v for k, v in after["b"].items() if k != "op"} == rows_of([fresh])[0]


def test_the_base_may_call_the_id_otherwise(tmp_path: Path) -> None:
    base = part(layout(tmp_path, columns={"id": "key"}), embedded("a", "one"), embedded("b", "2"))
    how = layout(tmp_path)
    fresh = part(how, embedded("a", "one"))
    found = feed(how, [partly(base, 0, 1)], [partly(fresh, 0)], "key")
    assert told(found) == [("delete", "b"), ("update", "a")]


@pytest.mark.parametrize(
    ("before", "value", "now", "after"),
    [
        ({"n": "int64"}, {"n": 1}, {"n": "double"}, {"n": 1.0}),
        ({"n": "int64"}, {"n": 1}, {"n": "int64", "new": "bool"}, {"n": 1, "new": None}),
        ({"n": "int64", "gone": "string"}, {"n": 1, "gone": "x"}, {"n": "int64"}, {"n": 1}),
    ],
)
def test_rows_of_an_older_schema_are_told_in_the_new_one(
    tmp_path: Path,
    before: AttributeTypes,
    value: dict[str, Any],
    now: AttributeTypes,
    after: dict[str, Any],
) -> None:
    made = part(layout(tmp_path, before), embedded("a", "one", value, before))
    (row,) = rows_of(feed(layout(tmp_path, now), [], [partly(made, 0)]).parts)
    assert {name: row[name] for name in now} == after
    assert "gone" not in row


def test_pieces_are_inserted_updated_and_deleted_each(tmp_path: Path) -> None:
    how = layout(tmp_path, SPLIT)
    base = part(how, *(piece("a", "xyz", n) for n in range(3)))
    fresh = part(how, *(piece("a", "uv", n) for n in range(2)), piece("b", "q", 0))
    found = feed(how, [partly(base, 0, 1, 2)], [partly(fresh, 0, 1, 2)])
    assert told(found) == [
        ("delete", "a#2"),
        ("insert", "b#0"),
        ("update", "a#0"),
        ("update", "a#1"),
    ]


ROWS = st.dictionaries(
    st.sampled_from("abcdef"),
    st.tuples(st.sampled_from(["one", "two", "three"]), st.sampled_from([None, 1, 2])),
    max_size=6,
)


def rows(found: dict[str, tuple[str, int | None]]) -> list[Embedded]:
    return [embedded(name, text, {"n": n}) for name, (text, n) in found.items()]


@settings(max_examples=60)
@given(before=ROWS, after=ROWS, anew=st.booleans(), cut=st.integers(0, 6))
def test_applied_to_the_rows_of_one_corpus_it_gives_those_of_the_next(
    tmp_path_factory: pytest.TempPathFactory,
    before: dict[str, tuple[str, int | None]],
    after: dict[str, tuple[str, int | None]],
    anew: bool,
    cut: int,
) -> None:
    how = layout(tmp_path_factory.mktemp("store"))
    there, wanted = rows(before), rows(after)
    gone = [n for n, one in enumerate(there) if anew or one[:3] not in [w[:3] for w in wanted]]
    new = [one for one in wanted if anew or one[:3] not in [t[:3] for t in there]]
    base = part(how, *there) if there else None
    fresh = [part(how, *some) for some in (new[:cut], new[cut:]) if some]
    found = feed(
        how,
        [partly(base, *gone)] if base else [],
        [partly(one, *range(one.rows), old=not anew) for one in fresh],
    )

    copy = {row["id"]: row for row in (rows_of([base]) if base else [])}
    for change in rows_of(found.parts):
        op = change.pop("op")
        assert (op == "insert") == (change["id"] not in copy)
        if op == "delete":
            del copy[change["id"]]
        elif op == "attributes":
            assert not anew
            copy[change["id"]]["n"] = change["n"]
        else:
            copy[change["id"]] = change
    assert copy == {row["id"]: row for row in (rows_of([part(how, *wanted)]) if wanted else [])}
