"""Comparing documents with a store: each goes one way, and the right one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed_pipeline.attributes import AttributeTypes
from embed_pipeline.comparing import Compared, Comparison, Copy
from embed_pipeline.known import Known, Source
from embed_pipeline.lasting import Verdicts
from embed_pipeline.records import Document, Failed
from embed_pipeline.schema import id_hash
from tests.support.marked import (
    SPLIT,
    N,
    document,
    embedded,
    failed,
    failed_piece,
    failures,
    layout,
    piece,
    source,
)


def bare(identity: str, text: str, attributes: dict[str, Any] | None = None) -> Document:
    """Return a document as it is read."""
    return Document(identity, text, {"n": 1} if attributes is None else attributes)


def compared(
    sources: Sequence[Source],
    *documents: Document,
    verdicts: Verdicts | None = None,
    forgotten: Sequence[str] = (),
    split: bool = False,
    types: AttributeTypes = N,
) -> Compared:
    known = Known(sources, split=split)
    hashes = frozenset(id_hash(one) for one in forgotten)
    comparison = Comparison(known, verdicts or Verdicts([]), types, hashes, split=split)
    found = comparison.compare(documents)
    ways = found.kept_documents, len(found.todo), len(found.copies), found.forgotten, found.given_up
    assert sum(ways) == len(documents)
    assert len(found.ids) == 16 * len(documents)
    return found


def verdicts(path: Path, *found: Failed, split: bool = False) -> Verdicts:
    return Verdicts([part.path for part in failures(path, *found)], split=split)


def test_what_is_as_it_was_stays(tmp_path: Path) -> None:
    how = layout(tmp_path)
    sources = [source(how, embedded("a", "one"), embedded("b", "two"))]
    found = compared(sources, bare("b", "two"))
    assert (found.kept.tolist(), str(found.kept.dtype)) == ([1], "int64")
    assert (found.kept_documents, found.copies, found.todo) == (1, [], [])


def test_a_new_text_is_to_be_embedded_with_its_mark(tmp_path: Path) -> None:
    sources = [source(layout(tmp_path), embedded("a", "one"))]
    found = compared(sources, bare("a", "changed"), bare("x", "new"))
    assert found.todo == [document("a", "changed"), document("x", "new")]


def test_a_known_text_under_a_new_id_is_copied_without_its_text(tmp_path: Path) -> None:
    sources = [source(layout(tmp_path), embedded("a", "one"), embedded("b", "two"))]
    found = compared(sources, bare("x", "two"))
    assert found.copies == [Copy(document("x", "two")._replace(text=""), ((0, 1),))]


def test_another_attribute_costs_a_copy_of_the_documents_own_row(tmp_path: Path) -> None:
    rows = [embedded("a", "one"), embedded("b", "one"), embedded("c", "one")]
    sources = [source(layout(tmp_path), *rows)]
    found = compared(sources, bare("b", "one", {"n": 2}))
    assert [copy.rows for copy in found.copies] == [((0, 1),)]


def test_two_documents_that_swap_their_texts_are_copied(tmp_path: Path) -> None:
    sources = [source(layout(tmp_path), embedded("a", "one"), embedded("b", "two"))]
    found = compared(sources, bare("a", "two"), bare("b", "one"))
    assert [copy.rows for copy in found.copies] == [((0, 1),), ((0, 0),)]


def test_the_text_of_a_document_that_is_gone_is_known_still(tmp_path: Path) -> None:
    rows = [embedded("a", "same"), embedded("b", "same"), embedded("c", "same")]
    sources = [source(layout(tmp_path), *rows)]
    found = compared(sources, bare("b", "same"), bare("c", "same"), bare("d", "same"))
    assert found.kept.tolist() == [1, 2]
    assert len(found.copies) == 1


def test_of_a_document_in_the_snapshot_and_in_two_leftovers_one_row_stays_the_snapshots(
    tmp_path: Path,
) -> None:
    how, same = layout(tmp_path), embedded("a", "one")
    sources = [source(how, same, run=run) for run in (0, 1, 2)]
    assert compared(sources, bare("a", "one")).kept.tolist() == [0]


def test_of_a_document_in_two_leftovers_one_row_stays(tmp_path: Path) -> None:
    how, same = layout(tmp_path), embedded("a", "one")
    sources = [source(how, same, run=run) for run in (1, 2)]
    found = compared(sources, bare("a", "one"))
    assert (found.kept.tolist(), found.kept_documents) == ([0], 1)


def test_a_document_that_changed_before_the_stop_and_not_since_stays_as_the_leftover_has_it(
    tmp_path: Path,
) -> None:
    how = layout(tmp_path)
    sources = [source(how, embedded("a", "old")), source(how, embedded("a", "new"), run=1)]
    assert compared(sources, bare("a", "new")).kept.tolist() == [1]
    assert compared(sources, bare("a", "old")).kept.tolist() == [0]


def test_where_nothing_is_known_everything_is_to_be_embedded() -> None:
    found = compared([], bare("a", "one"), bare("b", "one"))
    assert [one.id for one in found.todo] == ["a", "b"]


def test_no_documents_are_nothing(tmp_path: Path) -> None:
    found = compared([source(layout(tmp_path), embedded("a", "one"))])
    assert (found.ids, found.kept.tolist(), found.todo) == (b"", [], [])


@pytest.mark.parametrize(
    ("refused", "kind", "stage"),
    [
        (bare("a", "  "), "EmptyText", "embed"),
        (bare("a", "x\x00"), "BadCharacter", "embed"),
        (bare("a", "\ud800"), "BadCharacter", "embed"),
        (bare("\ud800", "x"), "BadCharacter", "embed"),
        (bare("a", "x", {"n": "no number"}), "BadAttribute", "write"),
        (bare("a", "x", {"strange": 1}), "BadAttribute", "write"),
    ],
)
def test_what_cannot_become_a_row_fails_without_being_sent(
    refused: Document, kind: str, stage: str
) -> None:
    found = compared([], refused, bare("b", "fine"))
    assert [(one.kind, one.stage) for one in found.failed] == [(kind, stage)]
    assert (found.given_up, [one.id for one in found.todo]) == (1, ["b"])


def test_a_text_that_failed_for_good_fails_again_under_any_id(tmp_path: Path) -> None:
    found = compared([], bare("b", "poison"), verdicts=verdicts(tmp_path, failed("a", "poison")))
    assert [(one.id, one.text, one.attributes) for one in found.failed] == [
        ("b", "poison", '{"n":1}')
    ]
    assert (found.todo, found.given_up) == ([], 1)


def test_a_text_that_failed_by_the_servers_fault_is_sent_again(tmp_path: Path) -> None:
    passing = verdicts(tmp_path, failed("a", "text", blame="server", kind="Overloaded"))
    assert [one.id for one in compared([], bare("a", "text"), verdicts=passing).todo] == ["a"]


def test_a_vector_that_is_there_beats_a_verdict(tmp_path: Path) -> None:
    sources = [source(layout(tmp_path), embedded("a", "text"))]
    lasting = verdicts(tmp_path, failed("z", "text"))
    found = compared(sources, bare("a", "text"), bare("b", "text"), verdicts=lasting)
    assert (found.kept.tolist(), len(found.copies), found.failed) == ([0], 1, [])


@pytest.mark.parametrize("text", ["one", "changed", "", "\x00", "\ud800"])
def test_what_is_forgotten_is_left_out_whatever_has_become_of_it(tmp_path: Path, text: str) -> None:
    sources = [source(layout(tmp_path), embedded("a", "one"))]
    found = compared(sources, bare("a", text), forgotten=["a", "elsewhere"])
    assert (found.kept.tolist(), found.todo, found.failed, found.forgotten) == ([], [], [], 1)


def test_an_attribute_that_was_widened_costs_a_copy_and_no_request(tmp_path: Path) -> None:
    sources = [source(layout(tmp_path), embedded("a", "one"), embedded("b", "two", {"n": None}))]
    found = compared(sources, bare("a", "one"), bare("b", "two", {}), types={"n": "double"})
    assert ([copy.document.id for copy in found.copies], found.kept.tolist()) == (["a"], [1])


def pieces(identity: str, text: str) -> list[Any]:
    return [piece(identity, text, index) for index in range(len(text))]


def test_all_pieces_of_an_unchanged_document_stay(tmp_path: Path) -> None:
    sources = [source(layout(tmp_path, SPLIT), *pieces("a", "uv"), *pieces("b", "xyz"))]
    found = compared(sources, bare("b", "xyz"), split=True)
    assert (found.kept.tolist(), found.kept_documents) == ([2, 3, 4], 1)


def test_a_changed_document_is_split_anew_as_a_whole(tmp_path: Path) -> None:
    sources = [source(layout(tmp_path, SPLIT), *pieces("a", "uv"))]
    found = compared(sources, bare("a", "uvw"), split=True)
    assert (found.kept.tolist(), [one.text for one in found.todo]) == ([], ["uvw"])


def test_a_known_text_under_another_id_takes_all_its_pieces_along(tmp_path: Path) -> None:
    sources = [source(layout(tmp_path, SPLIT), *pieces("b", "xyz"), *pieces("a", "uv"))]
    found = compared(sources, bare("new", "uv"), bare("a", "uv", {"n": 2}), split=True)
    assert [copy.rows for copy in found.copies] == [((0, 3), (0, 4))] * 2


def test_a_document_that_a_leftover_has_cut_off_is_embedded_anew(tmp_path: Path) -> None:
    how = layout(tmp_path, SPLIT)
    rows = [*pieces("a", "uv")[1:], *pieces("b", "xyz"), *pieces("c", "pq")[:1]]
    found = compared(
        [source(how, *rows, run=1)],
        *(bare("a", "uv"), bare("b", "xyz"), bare("c", "pq"), bare("new", "uv")),
        split=True,
    )
    assert (found.kept.tolist(), [one.id for one in found.todo]) == ([1, 2, 3], ["a", "c", "new"])


def test_a_document_with_pieces_that_failed_for_good_stays_with_their_failures(
    tmp_path: Path,
) -> None:
    sources = [source(layout(tmp_path, SPLIT), *pieces("a", "uv")[:1])]
    lasting = verdicts(tmp_path, failed_piece("a", "v", 1), split=True)
    found = compared(sources, bare("a", "uv"), verdicts=lasting, split=True)
    assert (found.kept.tolist(), found.kept_documents, found.given_up) == ([0], 1, 0)
    assert [one.id for one in found.failed] == ["a#1"]


def test_a_document_with_a_piece_that_failed_by_the_servers_fault_is_embedded_anew(
    tmp_path: Path,
) -> None:
    sources = [source(layout(tmp_path, SPLIT), *pieces("a", "uv")[:1])]
    passing = verdicts(tmp_path, failed_piece("a", "v", 1, blame="server"), split=True)
    found = compared(sources, bare("a", "uv"), bare("b", "uv"), verdicts=passing, split=True)
    assert ([one.id for one in found.todo], found.failed) == (["a", "b"], [])


def test_a_document_whose_only_piece_failed_for_good_is_not_sent_again(tmp_path: Path) -> None:
    lasting = verdicts(tmp_path, failed_piece("a", "v", 0), split=True)
    found = compared([], bare("a", "v"), bare("b", "v"), verdicts=lasting, split=True)
    assert ([one.id for one in found.failed], found.given_up) == (["a#0", "b#0"], 2)


TEXTS = st.sampled_from(["", "one", "two", "three", "poison"])
DOCUMENTS = st.builds(
    lambda i, text, n: Document(i, text, {"n": n}),
    st.sampled_from("abcdefgh"),
    TEXTS,
    st.sampled_from([None, 1, 2]),
)
CORPORA = st.lists(DOCUMENTS, max_size=8, unique_by=lambda one: one.id)


@settings(max_examples=60, deadline=None)
@given(before=CORPORA, left=CORPORA, now=CORPORA, forgotten=st.sets(st.sampled_from("abz")))
def test_any_two_corpora_compare_as_dictionaries_do(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[Document],
    left: list[Document],
    now: list[Document],
    forgotten: set[str],
) -> None:
    path = tmp_path_factory.mktemp("store")
    there = [[one for one in corpus if one.text not in ("", "poison")] for corpus in (before, left)]
    sources = [
        source(layout(path), *(embedded(*one[:3]) for one in rows), run=run)
        for run, rows in enumerate(there)
        if rows
    ]
    places = [one[:3] for rows in there for one in rows]
    lasting = verdicts(path, failed("p", "poison"))
    found = compared(sources, *now, verdicts=lasting, forgotten=sorted(forgotten))

    texts = {text for _, text, _ in places}
    wanted = [one for one in now if one.id not in forgotten]
    stays = [one for one in wanted if one[:3] in places]
    copied = [one for one in wanted if one not in stays and one.text in texts]
    bad = [one for one in wanted if one.text in ("", "poison")]
    todo = [one for one in wanted if one not in (*stays, *copied, *bad)]
    assert sorted(found.kept) == sorted(places.index(one[:3]) for one in stays)
    assert [copy.document.id for copy in found.copies] == [one.id for one in copied]
    starts = [0, *np.cumsum([one.part.rows for one in sources])]
    for copy, one in zip(found.copies, copied, strict=True):
        ((at, number),) = copy.rows
        identity, text, _ = places[starts[at] + number]
        assert text == one.text
        assert identity == one.id or not any(p[:2] == one[:2] for p in places)
    assert sorted(one.id or "" for one in found.failed) == sorted(one.id for one in bad)
    assert [one[:3] for one in found.todo] == [one[:3] for one in todo]
    assert found.forgotten == len(now) - len(wanted)
