"""A sample of real files: where it is taken, and how many documents it says there are."""

import gzip
import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_pipeline import sampling
from embed_pipeline.corpus import Corpus, find_files
from embed_pipeline.sampling import Range, Sample, draw, relative_error
from embed_pipeline.scan import infer


def jsonl(path: Path, texts: Iterable[str], first: int = 0) -> None:
    lines = (json.dumps({"id": str(n), "text": text}) for n, text in enumerate(texts, first))
    path.write_text("".join(line + "\n" for line in lines))


def drawn(path: Path, size: int = 2_000, **settings: Any) -> Sample:
    corpus = Corpus(files=str(path), **settings)
    found = find_files(corpus)
    scan = infer(corpus, found)
    return draw(corpus.with_types(scan.types), found, scan, size)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a corpus of more than 64 kB be a large one, read at 16 places."""
    monkeypatch.setattr(sampling, "READ_BYTES", 64_000)
    monkeypatch.setattr(sampling, "PLACES", 16)
    monkeypatch.setattr("embed_pipeline.shards._MIN_BYTES", 1_000)


def test_a_corpus_that_is_small_enough_is_its_own_sample(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", ["one", "two"])
    jsonl(tmp_path / "b.jsonl", ["three"], first=2)
    found = drawn(tmp_path)
    assert [document.text for document in found.documents] == ["one", "two", "three"]
    assert found.total == Range(3, 3, 3)
    assert (found.rows, found.refused) == (3, 0)


def test_a_sample_is_spread_evenly_over_the_corpus(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", map(str, range(10_000)))
    found = [int(document.id) for document in drawn(tmp_path, 100).documents]
    steps = {after - before for before, after in pairwise(found)}
    assert len(found) == 100
    assert found[0] == 0
    assert found[-1] > 9_800
    assert steps <= {64, 128}


def test_the_same_corpus_gives_the_same_sample(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", map(str, range(5_000)))
    assert drawn(tmp_path, 100) == drawn(tmp_path, 100)


def test_a_corpus_that_is_read_whole_is_counted(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", ["short"] * 2_000 + ["a much longer text " * 20] * 2_000)
    assert drawn(tmp_path, 10).total == Range(4_000, 4_000, 4_000)


def test_what_would_not_be_sent_is_counted_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"id": "1", "text": "good"}\nno JSON\n{"id": "2", "text": " "}\n{"id": "3"}\n'
    )
    found = drawn(tmp_path)
    assert [document.id for document in found.documents] == ["1"]
    assert (found.rows, found.refused, found.sendable) == (4, 3, 0.25)


def test_a_limit_bounds_sample_and_total(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", map(str, range(5_000)))
    found = drawn(tmp_path, limit=300)
    assert [document.id for document in found.documents] == [str(n) for n in range(300)]
    assert found.total == Range(300, 300, 300)


def test_of_a_large_file_lines_of_all_places_are_read(tmp_path: Path, large: None) -> None:
    jsonl(tmp_path / "a.jsonl", (f"{n:05d}" for n in range(20_000)))
    found = drawn(tmp_path, 200)
    places = {int(document.id) * 16 // 20_000 for document in found.documents}
    assert places == set(range(16))
    assert found.rows < 3_000


def test_documents_of_a_large_file_are_estimated_by_the_bytes_they_take(
    tmp_path: Path, large: None
) -> None:
    jsonl(tmp_path / "a.jsonl", ["tiny"] * 10_000 + ["a longer text " * 10] * 10_000)
    found = drawn(tmp_path).total
    assert found.low < 20_000 < found.high
    assert found.value == pytest.approx(20_000, rel=0.2)


def test_of_many_files_every_nth_is_read(tmp_path: Path, large: None) -> None:
    for n in range(400):
        jsonl(tmp_path / f"{n:03d}.jsonl", [f"{n} " * 100] * 2, first=2 * n)
    found = drawn(tmp_path)
    places = {int(document.id) * 8 // 800 for document in found.documents}
    assert places == set(range(8))
    assert found.rows < 400
    assert found.total.value == pytest.approx(800, rel=0.2)


def test_rows_of_parquet_are_counted_by_its_footers(tmp_path: Path, large: None) -> None:
    texts = [f"{n} " * 20 for n in range(5_000)]
    table = pa.table({"id": [str(n) for n in range(5_000)], "text": texts})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=250, compression="none")
    found = drawn(tmp_path)
    assert found.total == Range(5_000, 5_000, 5_000)
    assert {int(document.id) * 8 // 5_000 for document in found.documents} == set(range(8))


def test_a_large_file_that_cannot_be_cut_is_read_from_its_start(
    tmp_path: Path, large: None
) -> None:
    jsonl(tmp_path / "plain", (f"{n * 7919 % 20_011:020d}" * 5 for n in range(20_000)))
    packed = gzip.compress((tmp_path / "plain").read_bytes(), 1)
    (tmp_path / "a.jsonl.gz").write_bytes(packed)
    found = drawn(tmp_path / "a.jsonl.gz")
    assert len(packed) > 64_000
    assert found.documents[0].id == "0"
    assert found.rows < 200
    assert found.total.low < 20_000 < found.total.high


def test_long_texts_are_held_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "HELD_CHARS", 10_000)
    jsonl(tmp_path / "a.jsonl", ["long " * 200] * 100)
    found = drawn(tmp_path)
    assert 4 <= len(found.documents) <= 10
    assert found.total == Range(100, 100, 100)


def test_a_corpus_without_a_document_gives_an_empty_sample(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", [" ", ""])
    found = drawn(tmp_path)
    assert (list(found.documents), found.refused, found.sendable) == ([], 2, 0.0)


def test_the_error_of_a_mean_is_twice_its_standard_error() -> None:
    assert relative_error([9.0, 11.0]) == pytest.approx(2 * 1.0 / 10)
    assert relative_error([5.0, 5.0, 5.0]) == 0
    assert relative_error([5.0]) is None


def test_a_range_about_zero_is_not_negative() -> None:
    assert Range.about(10.0, 2.0) == Range(10.0, 0.0, 30.0)
