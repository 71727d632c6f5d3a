"""Twins: what became of one text becomes of every document that has it."""

from pathlib import Path

from embed_pipeline.comparing import Copy
from embed_pipeline.twins import Twins
from tests.support.marked import (
    SPLIT,
    document,
    embedded,
    failed,
    failed_piece,
    failures,
    layout,
    part,
    piece,
)


def copy(identity: str, text: str, twin: str) -> Copy:
    one = document(identity, text, {"n": 5})._replace(text="", source="g.jsonl", line=4)
    return Copy(one, (), twin)


def test_the_row_of_the_twin_is_found_in_its_file(tmp_path: Path) -> None:
    how = layout(tmp_path)
    parts = [
        part(how, embedded("z", "other")),
        part(how, embedded("y", "1"), embedded("a", "same")),
    ]
    twins = Twins(parts, [], split=False)
    assert twins.find(copy("b", "same", "a")) == ([(parts[1].path, 1)], [])


def test_a_twin_that_failed_makes_its_documents_fail(tmp_path: Path) -> None:
    found = Twins([], failures(tmp_path, failed("a", "same"), failed("z", "x")), split=False)
    rows, lost = found.find(copy("b", "same", "a"))
    assert rows == []
    assert lost == [failed("b", "same", attributes='{"n":5}', source="g.jsonl", line=4)]


def test_pieces_and_their_failures_keep_their_place_in_the_whole(tmp_path: Path) -> None:
    made = part(layout(tmp_path, SPLIT), piece("a", "uvw", 0), piece("a", "uvw", 2))
    found = Twins([made], failures(tmp_path, failed_piece("a", "v", 1)), split=True)
    rows, (lost,) = found.find(copy("b", "uvw", "a"))
    assert rows == [(made.path, 0), (made.path, 1)]
    assert (lost.id, lost.text, lost.source) == ("b#1", "v", "g.jsonl")
    assert lost.attributes == (
        '{"n":5,"document_id":"b","chunk_index":1,"chunk_start":1,"chunk_end":2}'
    )


def test_a_document_that_could_not_be_split_fails_for_its_twins(tmp_path: Path) -> None:
    unsplit = failed("a", "odd", stage="chunk", kind="BadCharacter", attempts=0)
    found = Twins([], failures(tmp_path, unsplit), split=True)
    assert [one.id for one in found.find(copy("b", "odd", "a"))[1]] == ["b"]


def test_an_id_with_a_hash_sign_is_no_piece_where_nothing_is_split(tmp_path: Path) -> None:
    lost = failed("a#0", "t", attributes='{"document_id":"a"}')
    found = Twins([], failures(tmp_path, lost), split=False)
    assert [one.id for one in found.find(copy("b", "t", "a#0"))[1]] == ["b"]
    assert found.find(copy("b", "t", "a")) == ([], [])


def test_a_twin_nothing_is_there_of_gives_nothing(tmp_path: Path) -> None:
    found = Twins([part(layout(tmp_path), embedded("a", "one"))], [], split=False)
    assert found.find(copy("b", "one", "missing")) == ([], [])
