"""How a corpus is cut into shards."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_pipeline.corpus import Corpus, find_files
from embed_pipeline.errors import DatasetError
from embed_pipeline.shards import Shard, split

MIB = 1 << 20


def cut(corpus: Corpus) -> list[Shard]:
    return split(corpus, find_files(corpus))


def ranges(shards: list[Shard]) -> list[list[tuple[str, int, int | None]]]:
    return [[(part.name, part.first, part.last) for part in shard.parts] for shard in shards]


def test_no_files_make_no_shards() -> None:
    assert split(Corpus(files="a"), []) == []


def test_a_large_file_is_cut_by_bytes_without_gaps(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"x" * (5 * MIB // 2))
    assert ranges(cut(Corpus(files=str(tmp_path)))) == [
        [("a.jsonl", 0, 873813)],
        [("a.jsonl", 873813, 1747626)],
        [("a.jsonl", 1747626, 2621440)],
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.jsonl.gz"])
def test_what_cannot_be_cut_is_one_part(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x" * (3 * MIB))
    assert ranges(cut(Corpus(files=str(tmp_path)))) == [[(name, 0, None)]]


def test_many_small_files_share_a_shard_in_order(tmp_path: Path) -> None:
    for index in range(100):
        (tmp_path / f"{index:03}.txt").write_bytes(b"x" * 1000)
    shards = cut(Corpus(files=str(tmp_path)))
    assert [len(shard.parts) for shard in shards] == [61, 39]
    assert [shard.index for shard in shards] == [0, 1]
    named = [part.name for shard in shards for part in shard.parts]
    assert named == [f"{index:03}.txt" for index in range(100)]


def test_large_parquet_is_cut_between_row_groups(tmp_path: Path) -> None:
    table = pa.table({"text": [f"{number:01000}" for number in range(3000)]})
    pq.write_table(
        table, tmp_path / "a.parquet", row_group_size=500, compression="none", use_dictionary=False
    )
    assert ranges(cut(Corpus(files=str(tmp_path)))) == [
        [("a.parquet", 0, 2)],
        [("a.parquet", 2, 4)],
        [("a.parquet", 4, 6)],
    ]


def test_damaged_large_parquet_is_an_error_naming_it(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"x" * (2 * MIB))
    with pytest.raises(DatasetError, match=r"bad\.parquet"):
        cut(Corpus(files=str(tmp_path)))


def test_with_a_limit_there_is_one_shard_of_whole_files(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"x" * (3 * MIB))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b"{}"))
    shards = cut(Corpus(files=str(tmp_path), limit=1))
    assert ranges(shards) == [[("a.jsonl", 0, None), ("b.jsonl.gz", 0, None)]]
