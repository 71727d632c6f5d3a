"""Part files: whole Parquet files, bounded in size and time, with every row accounted for."""

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from embed_pipeline import files, parts
from embed_pipeline.output import Output
from embed_pipeline.parts import PartFile, RowWriter
from embed_pipeline.progress import Progress, read_progress
from embed_pipeline.records import Failed
from embed_pipeline.schema import Layout, id_hash
from embed_pipeline.staging import Run
from tests.support.rows import RUN_ID, made_by, row
from tests.support.scripted import DIMENSION


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(str(tmp_path / "out"), RUN_ID)


def writer(run: Run, clock: Iterator[float] | None = None, **output: object) -> RowWriter:
    layout = Layout(Output.model_validate({"path": run.path, **output}), DIMENSION, {"n": "int64"})
    if clock is None:
        return RowWriter(run, layout, made_by())
    return RowWriter(run, layout, made_by(), lambda: next(clock))


def files_of(found: list[PartFile | Failed]) -> list[PartFile]:
    return [one for one in found if isinstance(one, PartFile)]


def test_rows_come_back_in_order_from_one_file(run: Run) -> None:
    rows = writer(run)
    assert [rows.add(row(f"d{n}", attributes={"n": n})) for n in range(3)] == [(), (), ()]
    (part,) = files_of(list(rows.close()))
    assert pq.read_table(part.path)["id"].to_pylist() == ["d0", "d1", "d2"]
    assert (part.rows, part.tokens, part.sources) == (3, 15, {"estimated": 3})


def test_rows_are_counted_by_source_and_by_what_truncated_says(run: Run) -> None:
    rows = writer(run)
    for name, source, truncated in (
        ("a", "server", True),
        ("b", "verified", False),
        ("c", "verified", None),
        ("d", "estimated", None),
    ):
        rows.add(row(name, token_count_source=source, truncated=truncated))
    (part,) = files_of(list(rows.close()))
    assert part.sources == {"server": 1, "verified": 2, "estimated": 1}
    assert part.truncated == {"true": 1, "false": 1, "null": 2}


def test_a_part_tells_its_bytes_and_hash(run: Run) -> None:
    rows = writer(run)
    rows.add(row("a"))
    (part,) = files_of(list(rows.close()))
    data = Path(part.path).read_bytes()
    assert (part.bytes, part.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_the_footer_says_what_made_the_vectors(run: Run) -> None:
    rows = writer(run)
    rows.add(row("a"))
    (part,) = files_of(list(rows.close()))
    footer = orjson.loads(pq.read_metadata(part.path).metadata[b"embed_pipeline"])
    assert footer == made_by()


def test_equal_rows_give_equal_bytes(run: Run) -> None:
    hashes = set()
    for _ in range(2):
        rows = writer(run)
        rows.add(row("a"))
        hashes.add(files_of(list(rows.close()))[0].sha256)
    assert len(hashes) == 1


def test_vectors_are_neither_dictionary_encoded_nor_measured(run: Run) -> None:
    rows = writer(run)
    rows.add(row("a"))
    (part,) = files_of(list(rows.close()))
    column = pq.read_metadata(part.path).row_group(0).column(2)
    assert column.path_in_schema == "vector.list.element"
    assert (column.compression, column.has_dictionary_page, column.is_stats_set) == (
        "ZSTD",
        False,
        False,
    )


def test_byte_stream_split_is_an_option(run: Run) -> None:
    rows = writer(run, vector_encoding="byte_stream_split")
    rows.add(row("a"))
    (part,) = files_of(list(rows.close()))
    assert "BYTE_STREAM_SPLIT" in pq.read_metadata(part.path).row_group(0).column(2).encodings


def test_origins_are_kept_row_by_row(run: Run) -> None:
    rows = writer(run)
    rows.add(row("a", source="f.jsonl", line=4))
    rows.add(row("b", source="g.jsonl", line=1))
    (part,) = files_of(list(rows.close()))
    assert part.first == ("f.jsonl", 4)
    assert pq.read_table(part.origins).to_pylist() == [
        {"hash": id_hash("a"), "source": "f.jsonl", "line": 4},
        {"hash": id_hash("b"), "source": "g.jsonl", "line": 1},
    ]


def test_a_file_is_closed_when_it_is_old_enough(run: Run) -> None:
    seconds = [0.0] * 4  # of the writer and its progress file, and of the rows
    rows = writer(run, itertools.chain(seconds, itertools.count(1.0)), checkpoint_seconds=7)
    closed = [[part.rows for part in files_of(list(rows.add(row(f"d{n}"))))] for n in range(30)]
    assert [found for found in closed if found]
    rest = files_of(list(rows.close()))
    assert sum(map(sum, closed)) + sum(part.rows for part in rest) == 30


def test_a_file_is_closed_when_it_is_large_enough(run: Run) -> None:
    rows = writer(run, file_mb=1)
    text = "x" * 2_000
    closed = [one for n in range(parts.BATCH_ROWS) for one in rows.add(row(f"d{n}", text))]
    assert [part.rows for part in files_of(closed)] == [parts.BATCH_ROWS]


def test_a_file_is_closed_at_a_checkpoint_though_it_may_be_larger(run: Run) -> None:
    rows = writer(run, file_mb=256, checkpoint_mb=1)
    closed = [one for n in range(parts.BATCH_ROWS) for one in rows.add(row(f"d{n}", "x" * 2_000))]
    assert [part.rows for part in files_of(closed)] == [parts.BATCH_ROWS]


def test_marks_are_kept_row_by_row(run: Run) -> None:
    rows = writer(run)
    rows.add(row("a", mark=b"m" * 40))
    rows.add(row("b", mark=b"n" * 40))
    (part,) = files_of(list(rows.close()))
    assert pq.read_table(part.origins)["mark"].to_pylist() == [b"m" * 40, b"n" * 40]


def test_large_texts_do_not_wait_for_a_thousand_rows(run: Run) -> None:
    rows = writer(run)
    text = "x" * (parts.GROUP_BYTES // 4)
    for n in range(5):
        rows.add(row(f"d{n}", text))
    (part,) = files_of(list(rows.close()))
    assert pq.read_metadata(part.path).num_row_groups == 2


def test_a_row_that_does_not_fit_is_a_failure_and_the_others_stay(run: Run) -> None:
    rows = writer(run)
    rows.add(row("good", attributes={"n": 1}))
    rows.add(row("bad", attributes={"n": "one"}, source="f.jsonl", line=2))
    failed, part = rows.close()
    assert isinstance(failed, Failed)
    assert (failed.id, failed.stage, failed.kind, failed.line) == (
        "bad",
        "write",
        "BadAttribute",
        2,
    )
    assert isinstance(part, PartFile)
    assert part.rows == 1


def test_attributes_nobody_declared_that_have_no_json_are_a_failure(run: Run) -> None:
    layout = Layout(Output(path=run.path), DIMENSION, None)
    rows = RowWriter(run, layout, made_by())
    rows.add(row("good", attributes={"n": 2**70, "m": 1}))
    rows.add(row("bad", attributes={"raw": b"abc"}))
    failed, part = rows.close()
    assert isinstance(failed, Failed)
    assert (failed.id, failed.kind, failed.attributes) == ("bad", "BadAttribute", '{"raw":"YWJj"}')
    assert isinstance(part, PartFile)
    found = pq.read_table(part.path)["attributes"].to_pylist()
    assert found == ['{"n":"1180591620717411303424","m":1}']


def test_a_run_whose_own_file_has_gone_writes_no_part(run: Run) -> None:
    files.write_bytes(run.begun, b"{}")
    rows = writer(run)
    rows.add(row("a"))
    files.delete(run.begun)
    with pytest.raises(FileNotFoundError, match="has gone while it ran") as caught:
        rows.close()
    assert caught.value.filename == run.begun
    assert list(Path(run.staging).glob("data-*.json")) == []


def test_progress_is_told_at_the_end(run: Run) -> None:
    rows = writer(run)
    rows.add(row("a"))
    rows.add(row("b"))
    rows.close()
    assert read_progress(run) == Progress(rows=2, tokens=10, failed=0)
