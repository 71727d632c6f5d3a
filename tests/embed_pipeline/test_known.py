"""What a store knows: rows by their marks, and which of them belong together."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from embed_pipeline import files, marks
from embed_pipeline.errors import DatasetError
from embed_pipeline.known import UNDER_WAY, Known, Source, offsets, read_marks
from embed_pipeline.records import Document
from embed_pipeline.table_parts import write_index
from tests.support.marked import SPLIT, document, embedded, layout, part, piece, source
from tests.support.rows import row


def asked(*documents: Document) -> list[list[int]]:
    return [one.tolist() for one in marks.words(b"".join([each.mark for each in documents]))]


def unchanged(known: Known, *documents: Document) -> list[int]:
    found: list[int] = known.unchanged(np.array(asked(*documents), np.uint64)).tolist()
    return found


@pytest.fixture
def known(tmp_path: Path) -> Known:
    how = layout(tmp_path)
    first = source(how, embedded("a", "one"), embedded("b", "two"), embedded("c", "one"))
    return Known([first, source(how, embedded("d", "three", {"n": None}))])


def test_a_row_that_is_as_it_was_is_found_at_its_place(known: Known) -> None:
    same = (document("d", "three", {}), document("b", "two"), document("a", "one"))
    assert unchanged(known, *same) == [3, 1, 0]
    assert len(known) == 4


@pytest.mark.parametrize(
    "other",
    [document("x", "one"), document("a", "two"), document("a", "one", {"n": 2})],
    ids=["id", "text", "attribute"],
)
def test_a_row_that_is_not_as_it_was_is_not_found(known: Known, other: Document) -> None:
    assert unchanged(known, other) == [-1]


def test_nothing_is_known_of_nothing() -> None:
    known = Known([])
    (mark,) = asked(document("a", "one"))
    assert unchanged(known, document("a", "one")) == [-1]
    assert (len(known), known.of_id(mark), list(known.of_text(mark))) == (0, [], [])


def test_a_file_without_rows_adds_nothing(tmp_path: Path) -> None:
    how = layout(tmp_path)
    empty = part(how, embedded("x", "gone"))
    index = write_index(str(tmp_path / "empty.parquet"), [])
    with_none = Source(empty._replace(rows=0, origins=index.path), 0)
    known = Known([with_none, source(how, embedded("a", "one"))])
    assert unchanged(known, document("a", "one"), document("x", "gone")) == [0, -1]
    assert known.where(0) == (1, 0)


def test_a_place_is_that_of_a_row_in_a_file(known: Known) -> None:
    assert [known.where(place) for place in range(4)] == [(0, 0), (0, 1), (0, 2), (1, 0)]


def test_places_are_told_apart_by_file(known: Known) -> None:
    numbers = offsets(known.sources).numbers(np.array([3, 2, 0], np.int64))
    assert [one.tolist() for one in numbers] == [[0, 2], [0]]


def test_no_places_are_none_in_every_file(known: Known) -> None:
    numbers = offsets(known.sources).numbers(np.empty(0, np.int64))
    assert [one.tolist() for one in numbers] == [[], []]


def test_a_text_is_found_under_every_id_that_has_it(known: Known) -> None:
    (mark,) = asked(document("new", "one", {"n": 7}))
    assert sorted(rows.places for rows in known.of_text(mark)) == [(0,), (2,)]


def test_a_document_in_the_snapshot_and_in_two_leftovers_is_found_in_the_snapshot_first(
    tmp_path: Path,
) -> None:
    how, same = layout(tmp_path), embedded("a", "one")
    sources = [source(how, same, run=1), source(how, same, run=0), source(how, same, run=2)]
    known = Known(sources)
    (mark,) = asked(document("a", "one"))
    assert [(rows.run, rows.places) for rows in known.of_id(mark)] == [
        (0, (1,)),
        (1, (0,)),
        (2, (2,)),
    ]
    assert unchanged(known, document("a", "one")) == [-1]  # it takes a closer look


def test_pieces_of_a_document_belong_together(tmp_path: Path) -> None:
    how = layout(tmp_path, SPLIT)
    rows = [piece("b", "xy", 0), piece("a", "uvw", 0), piece("a", "uvw", 1), piece("a", "uvw", 2)]
    known = Known([source(how, *rows)], split=True)
    (mark,) = asked(document("a", "uvw"))
    assert [rows.places for rows in known.of_id(mark)] == [(1, 2, 3)]
    assert {rows.places for rows in known.of_text(mark)} == {(1, 2, 3)}


def test_documents_at_the_edges_of_a_leftover_are_not_known_as_pieces_may_be_missing(
    tmp_path: Path,
) -> None:
    how = layout(tmp_path, SPLIT)
    rows = [piece("a", "uv", 1), piece("b", "xy", 0), piece("b", "xy", 1), piece("c", "z!", 0)]
    known = Known([source(how, *rows, run=1)], split=True)
    marks_asked = asked(document("a", "uv"), document("b", "xy"), document("c", "z!"))
    assert [[rows.places for rows in known.of_id(one)] for one in marks_asked] == [[], [(1, 2)], []]
    assert len(known) == 2


def test_a_leftover_of_one_document_is_not_known_where_documents_are_split(tmp_path: Path) -> None:
    known = Known([source(layout(tmp_path, SPLIT), piece("a", "uv", 0), run=1)], split=True)
    assert len(known) == 0


@pytest.mark.parametrize("run", [0, UNDER_WAY])
def test_the_edges_of_what_is_whole_are_known(tmp_path: Path, run: int) -> None:
    rows = [piece("a", "uv", 0), piece("a", "uv", 1), piece("c", "z!", 0)]
    assert len(Known([source(layout(tmp_path, SPLIT), *rows, run=run)], split=True)) == 3


def test_a_document_twice_among_leftovers_is_two_and_not_one_of_twice_the_rows(
    tmp_path: Path,
) -> None:
    how = layout(tmp_path, SPLIT)
    rows = [piece("x", "1", 0), piece("a", "uv", 0), piece("a", "uv", 1), piece("y", "2", 0)]
    known = Known([source(how, *rows, run=1), source(how, *rows, run=2)], split=True)
    (mark,) = asked(document("a", "uv"))
    assert [rows.places for rows in known.of_id(mark)] == [(1, 2), (5, 6)]


def test_ids_whose_hashes_share_eight_bytes_are_told_apart(tmp_path: Path) -> None:
    here = document("a", "one")
    other = here.mark[:8] + b"whatever" + here.mark[16:]
    known = Known([source(layout(tmp_path), row("a", "one", mark=other))])
    assert unchanged(known, here) == [-1]
    assert known.of_id(asked(here)[0]) == []


def test_texts_whose_hashes_share_eight_bytes_are_told_apart(tmp_path: Path) -> None:
    here = document("a", "one")
    other = here.mark[:24] + b"whatever" + here.mark[32:]
    known = Known([source(layout(tmp_path), row("a", "one", mark=other))])
    assert list(known.of_text(asked(here)[0])) == []


def test_one_row_of_a_text_that_very_many_have_is_found_without_looking_at_all(
    tmp_path: Path,
) -> None:
    rows = [embedded(f"d{number}", "n/a") for number in range(2_000)]
    known = Known([source(layout(tmp_path), *rows)])
    found = known.of_text(asked(document("new", "n/a"))[0])
    assert len(next(found).places) == 1


def test_marks_that_are_not_as_many_as_the_rows_are_refused(tmp_path: Path) -> None:
    made = part(layout(tmp_path), embedded("a", "one"), embedded("b", "two"))
    index = write_index(str(tmp_path / "index.parquet"), [read_marks(made)[:1]])
    with pytest.raises(DatasetError, match=r"marks of 1 rows, but .* has 2; put both back"):
        read_marks(made._replace(origins=index.path))


def test_marks_come_back_from_many_row_groups(tmp_path: Path) -> None:
    made = part(layout(tmp_path), *(embedded(f"d{n}", f"t{n}") for n in range(7)))
    table = pq.read_table(made.origins)
    where = str(tmp_path / "small.parquet")
    with files.open_output(where) as stream:
        pq.write_table(table.slice(2), stream, row_group_size=2)
    found = read_marks(made._replace(origins=where, rows=5))
    assert found.tolist() == read_marks(made)[2:].tolist()
