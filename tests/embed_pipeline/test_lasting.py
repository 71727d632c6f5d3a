"""Failures that last, and those that may pass."""

from pathlib import Path
from typing import Any

import pytest

from embed_pipeline.errors import DatasetError
from embed_pipeline.known import Rows
from embed_pipeline.lasting import Verdicts, document_of, failed_as, place_of
from embed_pipeline.records import Failed
from tests.support.marked import document, failed, failed_piece, failures


def verdicts(path: Path, *found: Failed, split: bool = False) -> Verdicts:
    return Verdicts([part.path for part in failures(path, *found)], split=split)


def rows(identity: str, run: int = 0) -> Rows:
    return Rows(document(identity, "x").mark[:16], (0,), (1, 2), 3, run)


def test_a_text_that_was_sent_and_is_to_blame_has_failed_for_good(tmp_path: Path) -> None:
    found = verdicts(tmp_path, failed("a", "poison"))
    again = document("b", "poison", {"n": 7})._replace(source="new.jsonl", line=3)
    assert found.of(again) == failed(
        "b", "poison", attributes='{"n":7}', source="new.jsonl", line=3
    )
    assert found.of(document("a", "another text")) is None


def test_asked_to_try_again_only_what_was_never_sent_lasts(tmp_path: Path) -> None:
    sent, long = failed("a", "poison"), failed("b", "long", kind="TextTooLong", attempts=0)
    paths = [part.path for part in failures(tmp_path, sent, long)]
    found = Verdicts(paths, again=True)
    assert found.of(document("a", "poison")) is None
    assert found.of(document("b", "long")) is not None


def test_asked_to_try_again_a_document_with_a_piece_that_was_sent_does_not_stay(
    tmp_path: Path,
) -> None:
    paths = [part.path for part in failures(tmp_path, failed_piece("a", "piece", 1))]
    assert Verdicts(paths, split=True).pieces(document("a", "x"), rows("a"))
    assert Verdicts(paths, split=True, again=True).pieces(document("a", "x"), rows("a")) is None


def test_a_text_that_is_too_long_is_known_without_having_been_sent(tmp_path: Path) -> None:
    found = verdicts(tmp_path, failed("a", "long", kind="TextTooLong", attempts=0))
    assert found.of(document("a", "long")) is not None


@pytest.mark.parametrize(
    "fields",
    [
        {"blame": "server"},
        {"blame": "server", "kind": "TextTooLong"},
        {"stage": "read"},
        {"stage": "write", "kind": "BadAttribute", "attempts": 0},
        {"kind": "EmptyText", "attempts": 0},
        {"stage": "chunk", "kind": "BadAttribute", "attempts": 0},
    ],
)
def test_what_may_pass_or_is_found_without_asking_is_no_verdict(
    tmp_path: Path, fields: dict[str, Any]
) -> None:
    assert verdicts(tmp_path, failed("a", "text", **fields)).of(document("a", "text")) is None


def test_a_document_that_could_not_be_read_is_no_verdict(tmp_path: Path) -> None:
    unread = failed("a", "t", stage="read")._replace(id=None, text=None)
    assert verdicts(tmp_path, unread).of(document("a", "t")) is None


def test_without_failures_there_is_no_verdict() -> None:
    assert Verdicts([]).of(document("a", "text")) is None


def test_verdicts_of_stopped_refreshes_count_too(tmp_path: Path) -> None:
    paths = [part.path for part in failures(tmp_path, failed("a", "poison"))]
    assert Verdicts([], paths).of(document("z", "poison")) is not None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "f.parquet").write_bytes(b"damaged")
    with pytest.raises(DatasetError, match=r"f\.parquet cannot be read"):
        Verdicts([str(tmp_path / "f.parquet")])


def test_a_text_that_is_the_failed_piece_of_a_document_fails_as_its_own_only_piece(
    tmp_path: Path,
) -> None:
    found = verdicts(tmp_path, failed_piece("a", "poison", 4), split=True)
    again = found.of(document("b", "poison", {"n": 2}))
    assert again is not None
    assert (again.id, again.text) == ("b#0", "poison")
    assert again.attributes == (
        '{"n":2,"document_id":"b","chunk_index":0,"chunk_start":0,"chunk_end":6}'
    )


def test_a_text_that_could_not_be_split_is_not_split_again(tmp_path: Path) -> None:
    unsplit = failed("a", "odd", stage="chunk", kind="BadCharacter", attempts=0)
    again = verdicts(tmp_path, unsplit, split=True).of(document("b", "odd"))
    assert again is not None
    assert (again.id, again.stage) == ("b", "chunk")


def test_an_id_with_a_hash_sign_is_no_piece_where_nothing_is_split(tmp_path: Path) -> None:
    found = verdicts(tmp_path, failed_piece("a", "poison", 0))
    again = found.of(document("b#1", "poison"))
    assert again is not None
    assert (again.id, again.attributes) == ("b#1", '{"n":1}')


def test_pieces_that_failed_for_good_stay_failures_where_the_document_is_now(
    tmp_path: Path,
) -> None:
    found = verdicts(tmp_path, failed_piece("a", "p", 1), failed_piece("z", "p", 1), split=True)
    moved = document("a", "xp")._replace(source="moved.jsonl", line=5)
    again = found.pieces(moved, rows("a"))
    assert again == [failed_piece("a", "p", 1, source="moved.jsonl", line=5)]
    assert found.has_pieces(rows("a"))


def test_one_piece_that_failed_by_the_servers_fault_makes_the_document_incomplete(
    tmp_path: Path,
) -> None:
    lasting, passing = failed_piece("a", "p", 1), failed_piece("a", "q", 2, blame="server")
    found = verdicts(tmp_path, lasting, passing, split=True)
    assert found.pieces(document("a", "xpq"), rows("a")) is None


def test_a_document_without_failed_pieces_is_whole(tmp_path: Path) -> None:
    found = verdicts(tmp_path, failed_piece("a", "p", 1), split=True)
    assert found.pieces(document("b", "xp"), rows("b")) == []
    assert not found.has_pieces(rows("b"))


def test_pieces_that_failed_belong_to_the_rows_of_the_same_time(tmp_path: Path) -> None:
    of_base = [part.path for part in failures(tmp_path / "1", failed_piece("a", "p", 1))]
    of_left = [part.path for part in failures(tmp_path / "2", failed_piece("b", "p", 1))]
    found = Verdicts(of_base, of_left, split=True)
    assert found.pieces(document("a", "xp"), rows("a", run=1)) == []
    assert found.pieces(document("b", "xp"), rows("b", run=1)) is None
    assert found.pieces(document("b", "xp"), rows("b")) == []
    assert (found.has_pieces(rows("a", run=1)), found.has_pieces(rows("b", run=1))) == (False, True)


def test_a_failure_becomes_that_of_another_document() -> None:
    other = document("b", "text", {"n": 3})._replace(source="g", line=2)
    found = failed_as(other, failed("a", "text"))
    assert found == failed("b", "text", attributes='{"n":3}', source="g", line=2)


@pytest.mark.parametrize(
    ("identity", "attributes", "of"),
    [
        ("a#0", '{"document_id":"a"}', "a"),
        ("a#b#3", '{"document_id":"a#b"}', "a#b"),
        ("a#0", '{"document_id":7}', None),
        ("a#0", '{"n":1}', None),
        ("a#0", None, None),
        ("a#0", "no JSON", None),
        ("a#0", "[1]", None),
        ("a", '{"document_id":"a"}', None),
    ],
)
def test_a_piece_tells_its_document(identity: str, attributes: str | None, of: str | None) -> None:
    assert document_of(failed(identity, "t", attributes=attributes)) == of


def test_a_piece_tells_its_place() -> None:
    place = place_of(failed_piece("a", "pq", 4))
    assert place is not None
    assert (place["chunk_index"], place["chunk_start"], place["chunk_end"]) == (4, 4, 6)
