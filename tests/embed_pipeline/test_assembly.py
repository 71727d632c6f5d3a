"""The files of a snapshot: what is taken as it is, and what is brought together."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from embed_pipeline import assembly, files, interrupt
from embed_pipeline.assembly import Made, Task
from embed_pipeline.attributes import AttributeTypes
from embed_pipeline.errors import InterruptedJobError, NothingSucceeds
from embed_pipeline.known import Source, read_marks
from embed_pipeline.parts import PartFile
from embed_pipeline.progress import read_progress
from embed_pipeline.resume import is_sound, provenance_of
from embed_pipeline.snapshot import Outcome
from embed_pipeline.store import Store
from tests.support.marked import document, embedded, failed, failures, layout, part, rows_of
from tests.support.refreshing import Night, began
from tests.support.rows import made_by

MB = 1_000_000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(str(tmp_path / "store"))
    began(found, [embedded(f"d{n}", f"text {n}") for n in range(6)])
    return found


def sized(path: Path, size: int, *, run: int = 1, rows: int = 2) -> Source:
    """Return a file that says it is so large."""
    names = [f"{path.name}{size}-{n}" for n in range(rows)]
    made = part(layout(path), *(embedded(one, one) for one in names))
    return Source(made._replace(bytes=size), run)


def groups(tasks: list[Task]) -> list[list[int]]:
    return [[piece.part.bytes // MB for piece in task.pieces] for task in tasks]


def merged(night: Night, outcome: Outcome) -> list[Made]:
    tasks = assembly.plan(night.target, outcome)
    return [assembly.merge(night.target, outcome.provenance, task) for task in tasks]


def marks_of(made: Made) -> bytes:
    return read_marks(made.rows._replace(origins=made.marks.path)).tobytes()


def test_small_files_are_brought_together_and_large_ones_left_alone(tmp_path: Path) -> None:
    sizes = [1, 2, 40, 3, 31, 32, 5]
    left = [sized(tmp_path / str(n), size * MB) for n, size in enumerate(sizes)]
    night = Night(Store(str(tmp_path / "store")), *left)
    assert groups(assembly.plan(night.target, night.outcome())) == [
        [1, 2],
        [40],
        [3, 31],
        [32],
        [5],
    ]


def test_what_is_brought_together_is_no_larger_than_a_file_may_be(tmp_path: Path) -> None:
    left = [sized(tmp_path / str(n), 30 * MB) for n in range(5)]
    night = Night(Store(str(tmp_path / "store")), *left, file_mb=70)
    assert groups(assembly.plan(night.target, night.outcome())) == [[30, 30], [30, 30], [30]]


def test_rows_that_stay_of_a_large_file_count_by_their_share(tmp_path: Path) -> None:
    left = [sized(tmp_path / str(n), 100 * MB, rows=10) for n in range(3)]
    night = Night(Store(str(tmp_path / "store")), *left, file_mb=65)
    tasks = assembly.plan(night.target, night.outcome([[1, 2, 3], [0, 1, 2], [7]]))
    assert [[piece.bytes // MB for piece in task.pieces] for task in tasks] == [[30, 30], [10]]


def test_the_snapshots_rows_come_first_then_leftovers_then_what_is_new_in_its_order(
    store: Store, tmp_path: Path
) -> None:
    left = Source(part(layout(tmp_path / "left"), embedded("l", "left")), 1)
    night = Night(store, left)
    late = night.embedded(embedded("z", "late")._replace(source="f", line=9))
    early = night.embedded(embedded("y", "early")._replace(source="f", line=2))
    copied = night.embedded(embedded("c", "copy")._replace(source="f", line=5))
    (made,) = merged(night, night.outcome(embedded=[late, early], copied=[copied]))
    ids = [row["id"] for row in rows_of([made.rows])]
    assert ids == ["d0", "d1", "d2", "d3", "d4", "d5", "l", "y", "c", "z"]
    assert read_marks(made.rows)[-1].tobytes() == document("z", "late").mark
    assert marks_of(made) == read_marks(made.rows).tobytes()


def test_where_nothing_has_changed_there_is_nothing_to_do(store: Store) -> None:
    night = Night(store)
    assert assembly.plan(night.target, night.outcome()) == []
    assert not read_progress(night.target.target.run).writing


def test_where_no_row_is_left_there_is_no_file_to_make(store: Store) -> None:
    night = Night(store)
    assert assembly.plan(night.target, night.outcome([[]])) == []


def test_who_watches_is_told_that_a_snapshot_is_written(store: Store) -> None:
    night = Night(store)
    assembly.plan(night.target, night.outcome([[]]))
    assert read_progress(night.target.target.run).writing


def test_a_stopped_refresh_is_not_planned(store: Store) -> None:
    night = Night(store)
    interrupt.request_stop(15)
    with pytest.raises(InterruptedJobError, match="before everything was embedded"):
        assembly.plan(night.target, night.outcome())


def test_nothing_but_failures_of_an_endpoint_in_trouble_is_refused(tmp_path: Path) -> None:
    night = Night(Store(str(tmp_path / "store")))
    lost = failures(tmp_path / "lost", failed("a", "t", kind="Overloaded", blame="server"))
    with pytest.raises(NothingSucceeds):
        assembly.plan(night.target, night.outcome(failures=lost))


def test_a_file_of_the_base_is_taken_as_it_is_with_its_marks(store: Store) -> None:
    night = Night(store)
    outcome = night.outcome(provenance=made_by())
    (piece,) = (assembly.Piece(part, None, fits=True) for part in night.before)
    made = assembly.merge(night.target, outcome.provenance, Task(0, (piece,)))
    assert (made.rows.path, made.marks.path) == (piece.part.path, piece.part.origins)
    assert (made.rows.tokens, made.rows.sources) == (30, {"estimated": 6})
    assert is_sound(made.marks)


def test_a_file_of_a_stopped_run_is_taken_as_it_is_with_marks_of_its_own(
    store: Store, tmp_path: Path
) -> None:
    left = part(layout(tmp_path / "left"), embedded("l", "left"))
    night = Night(store, Source(left, 1), reuses=False)
    (made,) = merged(night, night.outcome())
    assert made.rows == left
    assert made.marks.path != left.origins
    assert pq.read_schema(made.marks.path).names == ["mark"]
    assert marks_of(made) == read_marks(left).tobytes()


def test_rows_of_a_group_that_stay_keep_their_marks(tmp_path: Path, store: Store) -> None:
    whole = Night(store).before[0]
    path = str(tmp_path / "groups.parquet")
    with files.open_output(path) as stream:
        pq.write_table(pq.read_table(whole.path), stream, row_group_size=2)
    night = Night(store, Source(whole._replace(path=path), 0), reuses=False)
    (made,) = merged(night, night.outcome([[0, 4, 5]]))
    assert [row["id"] for row in rows_of([made.rows])] == ["d0", "d4", "d5"]
    assert marks_of(made) == read_marks(whole)[[0, 4, 5]].tobytes()
    assert (provenance_of(made.rows) or {})["model"] == "all-minilm"
    assert (made.rows.tokens, made.rows.rows) == (15, 3)


@pytest.mark.parametrize(
    ("types", "n"),
    [({"n": "double"}, 1.0), ({}, None), ({"m": "string", "n": "int64"}, 1)],
)
def test_rows_of_an_older_schema_are_written_in_the_new_one(
    store: Store, types: AttributeTypes, n: Any
) -> None:
    night = Night(store, types=types)
    (made,) = merged(night, night.outcome())
    assert (
        pq.read_schema(made.rows.path).remove_metadata()
        == night.target.target.layout(made_by()).schema()
    )
    assert [row.get("n") for row in rows_of([made.rows])] == [n] * 6


def test_rows_that_do_not_stay_need_not_fit(store: Store, tmp_path: Path) -> None:
    how = layout(tmp_path / "left", {"n": "string"})
    rows = [embedded("l", "left", {"n": "x"}, {"n": "string"}), embedded("m", "more", {}, {})]
    night = Night(store, Source(part(how, *rows), 1), reuses=False)
    (made,) = merged(night, night.outcome([[1]]))
    assert [(row["id"], row["n"]) for row in rows_of([made.rows])] == [("m", None)]


def test_another_provenance_writes_every_file_anew(store: Store) -> None:
    night = Night(store)
    (made,) = merged(night, night.outcome(provenance={**made_by(), "query_prefix": "q"}))
    assert made.rows.path != night.before[0].path
    assert (provenance_of(made.rows) or {})["query_prefix"] == "q"


def test_a_snapshot_without_rows_has_a_file_of_the_right_types(store: Store) -> None:
    night = Night(store)
    made = assembly.empty(night.target, night.outcome([[]]))
    assert (made.rows.rows, made.marks.rows) == (0, 0)
    assert pq.read_schema(made.rows.path).names == list(pq.read_schema(night.before[0].path).names)
    assert isinstance(made.rows, PartFile)
