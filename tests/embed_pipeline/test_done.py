"""What is done: which documents have their row, and which texts have failed for good."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline.done import Done, Keying
from embed_pipeline.failure_parts import FailureWriter
from embed_pipeline.output import Output
from embed_pipeline.parts import PartFile, RowWriter
from embed_pipeline.records import Document, Failed
from embed_pipeline.schema import Layout
from embed_pipeline.staging import Run
from tests.support.rows import RUN_ID, made_by, row
from tests.support.scripted import DIMENSION


def layout(out: Path, types: Any = None, **output: Any) -> Layout:
    settings = Output.model_validate({"path": str(out), **output})
    return Layout(settings, DIMENSION, {"n": "double"} if types is None else types)


def part(how: Layout, *documents: Document) -> PartFile:
    writer = RowWriter(Run(how.output.path, RUN_ID), how, made_by())
    for one in documents:
        writer.add(row(*one[:2], attributes=one.attributes, source=one.source, line=one.line))
    (found,) = writer.close()
    assert isinstance(found, PartFile)
    return found


FIRST = Document("a", "text", {"n": 1.5}, "f.jsonl", 1)


def test_a_row_s_own_document_is_done(tmp_path: Path) -> None:
    how = layout(tmp_path)
    others = [Document(f"d{n}", "x", {"n": 0.5}, "f.jsonl", n) for n in range(100)]
    done = Done(Keying(how, whole=False), [part(how, *others), part(how, FIRST)], [])
    assert all(done.has(one) for one in (FIRST, *others))


@pytest.mark.parametrize(
    "other",
    [
        FIRST._replace(id="b"),
        FIRST._replace(source="g.jsonl"),
        FIRST._replace(line=2),
        FIRST._replace(line=None),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_another_document_is_not(tmp_path: Path, other: Document, whole: bool) -> None:
    how = layout(tmp_path)
    assert not Done(Keying(how, whole), [part(how, FIRST)], []).has(other)


@pytest.mark.parametrize("other", [FIRST._replace(text="x"), FIRST._replace(attributes={"n": 2})])
def test_text_and_attributes_count_where_ids_may_repeat(tmp_path: Path, other: Document) -> None:
    how = layout(tmp_path)
    assert Done(Keying(how, whole=False), [part(how, FIRST)], []).has(other)
    assert not Done(Keying(how, whole=True), [part(how, FIRST)], []).has(other)


@pytest.mark.parametrize("text", ["keep", "hash", "drop"])
@pytest.mark.parametrize("types", [{"n": "double", "m": "string"}, {}])
def test_whole_keys_hold_for_every_form_of_rows(tmp_path: Path, text: str, types: Any) -> None:
    how = layout(tmp_path, types, text=text, columns={"text": "body"})
    found = FIRST._replace(attributes={"n": 1, "m": True} if types else {})
    assert Done(Keying(how, whole=True), [part(how, found)], []).has(found)


def test_whole_keys_hold_for_attributes_nobody_declared(tmp_path: Path) -> None:
    how = layout(tmp_path)._replace(attributes=None)
    done = Done(Keying(how, whole=True), [part(how, FIRST)], [])
    assert done.has(FIRST)
    assert not done.has(FIRST._replace(attributes={"n": 2}))


def test_a_document_that_cannot_be_a_row_is_not_done(tmp_path: Path) -> None:
    how = layout(tmp_path)
    done = Done(Keying(how, whole=True), [part(how, FIRST)], [])
    assert not done.has(FIRST._replace(attributes={"n": "one"}))


@given(
    st.lists(
        st.builds(
            Document,
            st.sampled_from("abc"),
            st.sampled_from("xyz"),
            st.just({}),
            st.sampled_from(["f", "g"]),
            st.one_of(st.none(), st.integers(1, 3)),
        ),
        min_size=1,
        unique_by=lambda one: (one.id, one.text, one.source, one.line),
    ),
    st.data(),
)
def test_exactly_the_rows_are_done(
    tmp_path_factory: pytest.TempPathFactory, documents: list[Document], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(1, len(documents)))
    how = layout(tmp_path_factory.mktemp("done"), {})
    done = Done(Keying(how, whole=True), [part(how, *documents[:cut])], [])
    assert [done.has(one) for one in documents] == [n < cut for n in range(len(documents))]


def failure(**fields: Any) -> Failed:
    values: dict[str, Any] = {
        "id": "a",
        "text": "poison",
        "attributes": None,
        "source": "f.jsonl",
        "line": 1,
        "stage": "embed",
        "kind": "RunnerCrashed",
        "blame": "document",
        "message": "it crashed",
        "http_status": 400,
        "attempts": 3,
    }
    return Failed(**{**values, **fields})


def failures(out: Path, *found: Failed) -> list[str]:
    writer = FailureWriter(Run(str(out), RUN_ID))
    for one in found:
        writer.add(one)
    return [one.path for one in writer.close()]


def test_a_text_s_own_failure_is_told_of_every_document_with_that_text(tmp_path: Path) -> None:
    done = Done(Keying(layout(tmp_path), False), [], failures(tmp_path, failure()))
    other = Document("b", "poison", {"n": 1}, "g.jsonl", 7)
    assert done.failed(other) == failure(id="b", attributes='{"n":1}', source="g.jsonl", line=7)
    assert done.failed(FIRST) is None


@pytest.mark.parametrize(
    "found",
    [
        failure(blame="server"),
        failure(stage="write"),
        failure(stage="read", text=None),
        failure(kind="TextTooLong", attempts=0),
    ],
)
def test_what_another_try_may_heal_or_costs_nothing_is_tried_again(
    tmp_path: Path, found: Failed
) -> None:
    done = Done(Keying(layout(tmp_path), False), [], failures(tmp_path, found))
    assert done.failed(Document("a", "poison")) is None
