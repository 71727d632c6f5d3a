"""Ids that stand more than once: refused with where they stand, or dropped but for one."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embed_pipeline.duplicates import find_duplicates
from embed_pipeline.errors import RefusedError
from embed_pipeline.failure_parts import FailureWriter
from embed_pipeline.output import Output
from embed_pipeline.parts import PartFile, RowWriter
from embed_pipeline.records import Embedded, Failed
from embed_pipeline.schema import Layout
from embed_pipeline.staging import Run
from tests.support.rows import RUN_ID, made_by, row
from tests.support.scripted import DIMENSION


class Staged:
    """Write parts into one run's folder.

    Args:
        folder: Where the dataset would be.
        settings: Of the output.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.output = Output.model_validate({"path": str(folder), **settings})
        self._run = Run(str(folder), RUN_ID)

    def part(self, *rows: Embedded) -> PartFile:
        writer = RowWriter(self._run, Layout(self.output, DIMENSION, {}), made_by())
        for one in rows:
            assert not writer.add(one)
        (found,) = writer.close()
        assert isinstance(found, PartFile)
        return found

    def failures(self, *ids: str | None) -> PartFile:
        writer = FailureWriter(self._run)
        for line, name in enumerate(ids, 1):
            writer.add(
                Failed(name, "t", None, "bad.jsonl", line, "read", "EmptyText", "document", "empty")
            )
        (found,) = writer.close()
        return found

    def named(self, *ids: str) -> PartFile:
        return self.part(*(row(name, source="f.jsonl", line=n) for n, name in enumerate(ids, 1)))


@pytest.fixture
def staged(tmp_path: Path) -> Staged:
    return Staged(tmp_path)


def refusal(staged: Staged, parts: list[PartFile], failures: list[PartFile]) -> str:
    with pytest.raises(RefusedError) as caught:
        find_duplicates(parts, failures, staged.output, "error")
    return str(caught.value)


@pytest.mark.parametrize("policy", ["error", "first", "last"])
def test_unique_ids_drop_nothing(staged: Staged, policy: str) -> None:
    parts = [staged.named("a", "b"), staged.named("c", "A", "a ", "é", "e\u0301")]
    failures = [staged.failures("d", None, None)]
    assert find_duplicates(parts, failures, staged.output, policy) == {}


@pytest.mark.parametrize("policy", ["error", "first", "last"])
def test_nothing_has_no_duplicates(staged: Staged, policy: str) -> None:
    assert find_duplicates([], [], staged.output, policy) == {}


@pytest.mark.parametrize(("policy", "dropped"), [("first", (2, 3, 5)), ("last", (0, 1, 2))])
def test_one_row_of_each_id_stays_in_a_part(
    staged: Staged, policy: str, dropped: tuple[int, ...]
) -> None:
    part = staged.named("a", "b", "a", "b", "c", "a")
    assert find_duplicates([part], [], staged.output, policy) == {part.path: dropped}


def test_the_first_and_the_last_are_meant_over_all_parts_in_their_order(staged: Staged) -> None:
    one, two, three = staged.named("a", "b"), staged.named("c", "a"), staged.named("b", "a", "d")
    parts = [one, two, three]
    assert find_duplicates(parts, [], staged.output, "first") == {
        two.path: (1,),
        three.path: (0, 1),
    }
    assert find_duplicates(parts, [], staged.output, "last") == {one.path: (0, 1), two.path: (1,)}
    parts.reverse()
    assert find_duplicates(parts, [], staged.output, "first") == {two.path: (1,), one.path: (0, 1)}


@pytest.mark.parametrize("policy", ["first", "last"])
def test_ids_of_failures_drop_no_row(staged: Staged, policy: str) -> None:
    parts, failures = [staged.named("a", "b")], [staged.failures("a", "a", "x", "x")]
    assert find_duplicates(parts, failures, staged.output, policy) == {}


@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    ids=st.lists(st.lists(st.sampled_from("abcde"), min_size=1), min_size=1, max_size=3),
    policy=st.sampled_from(["first", "last"]),
)
def test_each_id_stays_exactly_once(staged: Staged, ids: list[list[str]], policy: str) -> None:
    parts = [staged.named(*names) for names in ids]
    dropped = find_duplicates(parts, [], staged.output, policy)
    stay = [
        name
        for part, names in zip(parts, ids, strict=True)
        for number, name in enumerate(names)
        if number not in dropped.get(part.path, ())
    ]
    assert sorted(stay) == sorted({name for names in ids for name in names})


def test_an_id_is_named_with_all_its_places_and_the_cure(staged: Staged) -> None:
    parts = [
        staged.part(row("a", source="f.jsonl", line=1), row("b", source="f.jsonl", line=2)),
        staged.part(row("c", source="g.txt"), row("a", source="g.txt"), row("a")),
    ]
    assert refusal(staged, parts, []) == (
        "1 ids stand more than once: 'a' at f.jsonl:1 and g.txt and an unnamed source. Make the ids"
        " unique, or set corpus.on_duplicate to first or last: the vectors are kept and are not"
        " computed again"
    )


def test_several_ids_are_named(staged: Staged) -> None:
    message = refusal(staged, [staged.named("b", "a", "c", "a", "b")], [])
    assert message.startswith("2 ids stand more than once: ")
    assert "'b' at f.jsonl:1 and f.jsonl:5; 'a' at f.jsonl:2 and f.jsonl:4. Make" in message


def test_five_ids_are_named_and_the_rest_counted(staged: Staged) -> None:
    message = refusal(staged, [staged.named(*"abcdef", *"abcdef")], [])
    assert message.startswith("6 ids stand more than once: 'a' at f.jsonl:1 and f.jsonl:7; ")
    assert "'e' at f.jsonl:5 and f.jsonl:11; .... Make the ids unique" in message
    assert "'f'" not in message


def test_five_places_of_an_id_are_named(staged: Staged) -> None:
    message = refusal(staged, [staged.named(*"aaaaaaa")], [])
    assert "f.jsonl:4 and f.jsonl:5. Make" in message
    assert "f.jsonl:6" not in message


def test_an_id_of_a_row_and_of_a_failure_is_refused(staged: Staged) -> None:
    message = refusal(staged, [staged.named("a", "b")], [staged.failures("x", "b")])
    assert message.startswith("1 ids stand more than once: 'b' at f.jsonl:2 and bad.jsonl:2. ")


def test_an_id_of_two_failures_is_refused(staged: Staged) -> None:
    failures = [staged.failures("x"), staged.failures(None, "x")]
    message = refusal(staged, [], failures)
    assert message.startswith("1 ids stand more than once: 'x' at bad.jsonl:1 and bad.jsonl:2. ")


def test_the_column_of_ids_may_have_another_name(tmp_path: Path) -> None:
    staged = Staged(tmp_path, columns={"id": "key"})
    assert "'a' at f.jsonl:1 and f.jsonl:2" in refusal(staged, [staged.named("a", "a")], [])
