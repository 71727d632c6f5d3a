"""Files of rows made from tables: their row groups, figures and marks."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_pipeline import files, table_parts
from embed_pipeline.known import read_marks
from embed_pipeline.parts import PartFile
from embed_pipeline.resume import is_sound, provenance_of
from embed_pipeline.table_parts import TablePart, with_figures, write_index
from tests.support.marked import embedded, layout, part
from tests.support.rows import made_by

ROWS = [
    embedded("a", "one")._replace(token_count=2, token_count_source="server", truncated=True),
    embedded("b", "two")._replace(token_count=3, token_count_source="verified", truncated=False),
    embedded("c", "three", {"n": None})._replace(token_count=4),
]


def table(made: PartFile) -> Any:
    return pq.read_table(made.path).replace_schema_metadata(None)


@pytest.mark.parametrize("kind", ["float32", "list<float>", "float16"])
def test_rows_come_back_with_figures_and_marks(tmp_path: Path, kind: str) -> None:
    how = layout(tmp_path, vector_type=kind)
    before = part(how, *ROWS)
    marks = read_marks(before)
    made = TablePart(str(tmp_path / "made"), how, made_by(), str(tmp_path / "index"))
    made.add(table(before).slice(1), marks[1:])
    made.add(table(before).slice(0, 1), marks[:1])
    after = made.close()
    assert table(after)["id"].to_pylist() == ["b", "c", "a"]
    assert table(after)["vector"].to_pylist() == [
        table(before)["vector"].to_pylist()[at] for at in (1, 2, 0)
    ]
    assert read_marks(after).tolist() == marks[[1, 2, 0]].tolist()
    assert (after.rows, after.tokens) == (3, 9)
    assert after.sources == {"server": 1, "verified": 1, "estimated": 1}
    assert after.truncated == {"true": 1, "false": 1, "null": 1}


def test_many_tables_of_a_row_are_one_row_group_of_all_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_parts, "MOST_SMALL", 4)
    how = layout(tmp_path)
    rows = [embedded(f"d{number}", f"text {number}") for number in range(11)]
    before = table(part(how, *rows))
    made = TablePart(str(tmp_path / "made"), how, made_by())
    for number in range(11):
        made.add(before.slice(number, 1))
    waiting = made.size
    after = made.close()
    assert table(after).equals(before)
    assert pq.ParquetFile(after.path).num_row_groups == 1
    assert waiting >= before.nbytes


def test_a_file_tells_its_hash_and_what_made_its_vectors(tmp_path: Path) -> None:
    how = layout(tmp_path)
    made = TablePart(str(tmp_path / "made"), how, made_by())
    made.add(table(part(how, *ROWS)))
    after = made.close()
    assert is_sound(after)
    assert after.bytes == (tmp_path / "made").stat().st_size
    assert (provenance_of(after) or {})["model"] == "all-minilm"


def test_no_rows_are_a_file_of_the_right_types(tmp_path: Path) -> None:
    how = layout(tmp_path)
    made = TablePart(str(tmp_path / "made"), how, made_by(), str(tmp_path / "index"))
    made.add(how.schema().empty_table(), np.empty((0, 5), np.uint64))
    after = made.close()
    assert (after.rows, after.tokens, after.sources) == (0, 0, {})
    assert pq.read_schema(after.path).remove_metadata() == how.schema()
    assert read_marks(after).shape == (0, 5)


def test_a_row_group_is_written_when_it_is_large_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = layout(tmp_path)
    one = table(part(how, ROWS[0]))
    monkeypatch.setattr(table_parts, "GROUP_BYTES", 2 * one.nbytes)
    made = TablePart(str(tmp_path / "made"), how, made_by())
    for _ in range(5):
        made.add(one)
    assert made.size > one.nbytes  # the last waits
    after = made.close()
    groups = pq.read_metadata(after.path)
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [2, 2, 1]


def test_the_figures_of_a_file_are_those_it_was_written_with(tmp_path: Path) -> None:
    how = layout(tmp_path, columns={"token_count": "tokens", "truncated": "cut"})
    made = part(how, *ROWS)
    bare = PartFile(made.path, made.rows, made.bytes, made.sha256, origins=made.origins)
    found = with_figures(bare, how.output)
    assert (found.tokens, found.sources, found.truncated) == (9, made.sources, made.truncated)
    assert found.origins == made.origins


def test_an_index_describes_itself(tmp_path: Path) -> None:
    marks = read_marks(part(layout(tmp_path), *ROWS))
    made = write_index(str(tmp_path / "index"), [marks[:1], marks[1:]])
    assert (made.rows, made.bytes) == (3, (tmp_path / "index").stat().st_size)
    assert is_sound(made)
    with files.open_input(made.path) as stream:
        read = pq.read_table(stream)
    assert read.schema.field("mark").type == pa.binary(40)
    assert b"".join(read["mark"].to_pylist()) == marks.tobytes()
