"""Repeated ids: found by a hash that is the same for equal ids, wherever they stand."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline.repeated_ids import NAMED, SeenIds, described, id_hashes

IDS = st.lists(st.text(max_size=40))


def seen(path: Path, files: dict[str, list[str | None]]) -> SeenIds:
    found = SeenIds(str(path), "id")
    for name, ids in files.items():
        table = pa.table({"id": pa.array(ids, pa.string())})
        pq.write_table(table, path / name)
        found.add(name, table["id"].chunk(0))
    return found


@given(IDS, IDS)
def test_equal_ids_have_equal_hashes_wherever_they_stand(before: list[str], ids: list[str]) -> None:
    together = pa.array([*before, *ids], pa.string())
    alone = id_hashes(pa.array(ids, pa.string()))
    assert np.array_equal(id_hashes(together)[len(before) :], alone)
    assert np.array_equal(id_hashes(together[len(before) :]), alone)


@given(st.sets(st.text(max_size=40)))
def test_different_ids_have_different_hashes(ids: set[str]) -> None:
    assert len(np.unique(id_hashes(pa.array(sorted(ids), pa.string())))) == len(ids)


def test_ids_that_differ_in_length_or_place_alone_have_different_hashes() -> None:
    zeros = ["\x00" * length for length in range(33)]
    swapped = ["12345678abcdefgh", "abcdefgh12345678", "12345678", "abcdefgh"]
    assert len(np.unique(id_hashes(pa.array([*zeros, *swapped])))) == 37


def test_a_hundred_thousand_similar_ids_have_different_hashes() -> None:
    ids = pa.array([f"doc/{number:08d}.txt#{number % 7}" for number in range(100_000)])
    assert len(np.unique(id_hashes(ids))) == 100_000


def test_repeated_ids_are_told_with_each_place(tmp_path: Path) -> None:
    found = seen(tmp_path, {"x": ["a", "b", "b"], "y": ["c", "a"], "z": ["d"]})
    assert found.repeated() == {"a": ["x", "y"], "b": ["x", "x"]}


def test_nulls_are_no_ids(tmp_path: Path) -> None:
    assert seen(tmp_path, {"x": [None, "", None, "a", "a"]}).repeated() == {"a": ["x", "x"]}


def test_no_ids_repeat_in_nothing(tmp_path: Path) -> None:
    assert SeenIds(str(tmp_path), "id").repeated() == {}
    assert seen(tmp_path, {"x": []}).repeated() == {}


def test_of_many_repeated_ids_only_some_are_read_again(tmp_path: Path) -> None:
    ids: list[str | None] = [f"d{number}" for number in range(NAMED + 5)]
    repeated = seen(tmp_path, {"x": [*ids, *ids]}).repeated()
    assert len(repeated) == NAMED
    assert described(repeated).startswith("1,000 or more ids stand more than once: 'd")


def test_a_long_id_is_shortened() -> None:
    assert described({"x" * 100: ["f", "f"]}) == (f"1 id stands more than once: '{'x' * 60}' in f")
