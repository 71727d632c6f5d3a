"""The recipes of docs/recipes: copies follow a store night by night, and searches find."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow
import pyarrow.parquet as pq
import pytest

from embed_pipeline.manifest import DataFile
from tests.readers.recipes import FOLDER, recipe
from tests.readers.sample import NEAREST, QUERIES, Sample
from tests.support.nights import Nights
from tests.support.scripted import DIMENSION, ScriptedEndpoint, vector_of

pytestmark = [pytest.mark.readers, pytest.mark.filterwarnings("ignore")]

MONDAY = (
    {"id": "stays", "text": "what stays", "year": 2020, "topic": 'a "quote", \\ and\ta tab'},
    {"id": "changes", "text": "what changes", "year": 2021, "topic": None},
    {"id": "is relabeled", "text": "what is relabeled", "year": 2022, "topic": "東京 🌍"},
    {"id": "goes", "text": "what goes", "year": None, "topic": ""},
)
TUESDAY = (
    MONDAY[0],
    {**MONDAY[1], "text": "what has changed"},
    {**MONDAY[2], "year": None, "topic": "new"},
    {"id": "comes", "text": "what comes\nnow", "year": 2**53 + 1, "topic": None},
)
Rows = dict[str, dict[str, Any]]


class Copy(Protocol):
    """Be a copy of a store elsewhere."""

    def sync(self, store: str) -> str: ...
    def rows(self) -> Rows: ...


class Table:
    """Be a table of PostgreSQL."""

    def __init__(self, server: str) -> None:
        import psycopg

        self.recipe = recipe("sync_pgvector")
        self.connection = psycopg.connect(server)
        self.execute("DROP TABLE IF EXISTS documents")

    def execute(self, statement: str) -> Any:
        done = self.connection.execute(statement)
        found = done.fetchall() if done.description else None
        self.connection.commit()
        return found

    def sync(self, store: str) -> str:
        return str(self.recipe.sync(self.connection, store, "documents"))

    def rows(self) -> Rows:
        done = self.connection.execute("SELECT * FROM documents")
        names = [column.name for column in done.description]
        found = [dict(zip(names, row, strict=True)) for row in done.fetchall()]
        self.connection.commit()
        return {row["id"]: {**row, "vector": row["vector"].to_list()} for row in found}


class Collection:
    """Be a collection of Qdrant.

    Attributes:
        dying: Whether the next sync dies before it says which snapshot there is.
    """

    def __init__(self) -> None:
        from qdrant_client import QdrantClient

        outer = self

        class Client(QdrantClient):
            def update_collection(self, *arguments: Any, **named: Any) -> bool:
                if outer.dying:
                    raise ConnectionError
                return bool(super().update_collection(*arguments, **named))

        self.dying = False
        self.recipe = recipe("sync_qdrant")
        self.client = Client(":memory:")

    def sync(self, store: str) -> str:
        return str(self.recipe.sync(self.client, store, "documents"))

    def rows(self) -> Rows:
        points, _ = self.client.scroll("documents", limit=100, with_vectors=True)
        return {one.payload["id"]: {**one.payload, "vector": one.vector} for one in points}


@pytest.fixture(params=["PostgreSQL", "Qdrant"])
def copied(request: pytest.FixtureRequest) -> Iterator[Copy]:
    if request.param == "Qdrant":
        yield Collection()
        return
    table = Table(request.getfixturevalue("database"))
    yield table
    table.connection.close()


@pytest.fixture
def nights(tmp_path: Path, endpoint: ScriptedEndpoint) -> Nights:
    found = Nights(tmp_path, endpoint)
    found.documents(*MONDAY)
    assert found.refresh().code == 0
    return found


def following(nights: Nights, *documents: dict[str, Any]) -> None:
    """Make these the corpus of the next night, and refresh."""
    nights.documents(*documents)
    assert nights.refresh().code == 0


def assert_same(copied: Copy, nights: Nights) -> None:
    """Hold a copy against the store, whole."""
    found, stored = copied.rows(), nights.rows
    assert found.keys() == stored.keys()
    for identity, row in stored.items():
        np.testing.assert_allclose(found[identity].pop("vector"), row.pop("vector"), atol=1e-6)
        assert {**dict.fromkeys(row), **found[identity]} == row


def test_a_copy_that_is_new_gets_the_whole_snapshot(copied: Copy, nights: Nights) -> None:
    assert "all of snapshot 1" in copied.sync(nights.store.path)

    assert_same(copied, nights)


def test_a_copy_of_the_snapshot_before_gets_the_changes(copied: Copy, nights: Nights) -> None:
    copied.sync(nights.store.path)
    following(nights, *TUESDAY)

    assert "from snapshot 1 to 2" in copied.sync(nights.store.path)

    assert sorted(nights.ops.values()) == ["attributes", "delete", "insert", "update"]
    assert_same(copied, nights)


def test_a_copy_of_the_snapshot_stays_as_it_is(copied: Copy, nights: Nights) -> None:
    copied.sync(nights.store.path)
    following(nights, *TUESDAY)
    copied.sync(nights.store.path)

    assert copied.sync(nights.store.path) == "snapshot 2 is there already"
    assert_same(copied, nights)


def test_a_copy_that_has_missed_a_night_gets_the_whole_snapshot(
    copied: Copy, nights: Nights
) -> None:
    copied.sync(nights.store.path)
    following(nights, *TUESDAY)
    following(nights, *TUESDAY[1:])

    assert "all of snapshot 3" in copied.sync(nights.store.path)
    assert_same(copied, nights)


def test_a_copy_whose_columns_have_changed_gets_the_whole_snapshot(
    copied: Copy, nights: Nights
) -> None:
    copied.sync(nights.store.path)
    following(nights, *({**one, "new": 1.5} for one in TUESDAY))

    assert "all of snapshot 2" in copied.sync(nights.store.path)
    assert_same(copied, nights)


def test_a_copy_follows_a_store_that_has_gone_back(copied: Copy, nights: Nights) -> None:
    copied.sync(nights.store.path)
    following(nights, *TUESDAY)
    copied.sync(nights.store.path)
    Path(nights.store.current).write_text(json.dumps({"format": 1, "snapshot": 1}))

    assert "all of snapshot 1" in copied.sync(nights.store.path)
    assert_same(copied, nights)


@pytest.fixture
def elsewhere(tmp_path: Path, endpoint: ScriptedEndpoint) -> Nights:
    """Return another store, whose first snapshot has other rows."""
    (tmp_path / "elsewhere").mkdir()
    found = Nights(tmp_path / "elsewhere", endpoint)
    found.documents({**MONDAY[0], "id": "of another store"})
    assert found.refresh().code == 0
    return found


def test_a_copy_of_another_store_is_replaced_and_it_is_said(
    copied: Copy, nights: Nights, elsewhere: Nights
) -> None:
    copied.sync(elsewhere.store.path)

    said = copied.sync(nights.store.path)

    assert said.endswith(
        f"all of snapshot 1; snapshot 1 of run {elsewhere.manifest.run_id}, which was there, is "
        "not in this store"
    )
    assert_same(copied, nights)


def test_a_copy_of_another_store_gets_no_changes_of_this_one(
    copied: Copy, nights: Nights, elsewhere: Nights
) -> None:
    copied.sync(elsewhere.store.path)
    following(nights, *TUESDAY)

    assert "all of snapshot 2; snapshot 1 of run" in copied.sync(nights.store.path)
    assert_same(copied, nights)


def test_a_copy_of_a_store_that_was_built_anew_is_replaced(copied: Copy, nights: Nights) -> None:
    copied.sync(nights.store.path)
    shutil.rmtree(nights.store.path)
    following(nights, *TUESDAY)

    assert "all of snapshot 1; snapshot 1 of run" in copied.sync(nights.store.path)
    assert_same(copied, nights)


def test_a_sync_takes_the_snapshot_that_is_current_when_its_turn_comes(
    database: str, nights: Nights
) -> None:
    import psycopg

    table = Table(database)
    waiting = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid = %s"
    )
    with psycopg.connect(database) as other, ThreadPoolExecutor() as threads:
        other.execute("SELECT pg_advisory_xact_lock(hashtext('documents'))")
        syncing = threads.submit(table.sync, nights.store.path)
        while other.execute(waiting, [table.connection.info.backend_pid]).fetchone() != (1,):
            assert not syncing.done()
        following(nights, *TUESDAY)
        other.commit()

        assert "all of snapshot 2" in syncing.result()
    assert_same(table, nights)
    table.connection.close()


def test_a_sync_that_dies_has_changed_no_table(database: str, nights: Nights) -> None:
    table = Table(database)
    table.sync(nights.store.path)
    before = table.rows()
    following(nights, *TUESDAY)
    (changes,) = Path(nights.path, "changes").iterdir()
    whole = changes.read_bytes()
    changes.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(pyarrow.ArrowInvalid, match="Parquet"):
        table.sync(nights.store.path)

    assert table.rows() == before
    changes.write_bytes(whole)
    assert "from snapshot 1 to 2" in table.sync(nights.store.path)
    assert_same(table, nights)
    table.connection.close()


def test_a_sync_of_a_collection_that_dies_is_done_by_the_next(nights: Nights) -> None:
    collection = Collection()
    collection.sync(nights.store.path)
    following(nights, *TUESDAY)
    collection.dying = True

    with pytest.raises(ConnectionError):
        collection.sync(nights.store.path)

    collection.dying = False
    assert "from snapshot 1 to 2" in collection.sync(nights.store.path)
    assert_same(collection, nights)


def test_a_string_that_postgresql_cannot_hold_ends_a_sync(database: str, nights: Nights) -> None:
    import psycopg

    table = Table(database)
    table.sync(nights.store.path)
    before = table.rows()
    following(nights, *MONDAY[1:], {**MONDAY[0], "topic": "with a \0"})

    with pytest.raises(psycopg.DataError, match="0x00"):
        table.sync(nights.store.path)

    assert table.rows() == before
    table.connection.close()


def test_a_table_of_somebody_else_is_refused(database: str, nights: Nights) -> None:
    import psycopg

    table = Table(database)
    table.execute("CREATE TABLE documents (mine text)")

    with pytest.raises(psycopg.errors.DuplicateTable):
        table.sync(nights.store.path)

    assert table.execute("SELECT * FROM documents") == []
    table.connection.close()


def test_a_table_with_a_comment_of_somebody_else_is_refused(database: str, nights: Nights) -> None:
    import psycopg

    table = Table(database)
    table.execute("CREATE TABLE documents (mine text)")
    table.execute("""COMMENT ON TABLE documents IS '[1, {"of": "my own"}]'""")

    with pytest.raises(psycopg.errors.DuplicateTable):
        table.sync(nights.store.path)

    assert table.execute("SELECT * FROM documents") == []
    table.connection.close()


def test_a_collection_of_somebody_else_that_has_the_name_of_a_new_one_is_refused(
    nights: Nights,
) -> None:
    from qdrant_client import models

    collection = Collection()
    size = models.VectorParams(size=3, distance=models.Distance.DOT)
    collection.client.create_collection("documents-000001", vectors_config=size)

    with pytest.raises(SystemExit, match="documents-000001 is not of a sync: use another name"):
        collection.sync(nights.store.path)

    assert collection.client.get_collection("documents-000001").config.params.vectors == size


def test_a_collection_that_a_sync_which_died_has_begun_is_made_again(nights: Nights) -> None:
    collection = Collection()
    collection.dying = True
    with pytest.raises(ConnectionError):
        collection.sync(nights.store.path)

    collection.dying = False

    assert collection.sync(nights.store.path) == "all of snapshot 1"
    assert_same(collection, nights)


def test_a_collection_of_somebody_else_is_refused(nights: Nights) -> None:
    from qdrant_client import models

    collection = Collection()
    size = models.VectorParams(size=3, distance=models.Distance.DOT)
    collection.client.create_collection("mine", vectors_config=size)
    create = models.CreateAlias(collection_name="mine", alias_name="documents")
    collection.client.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])

    with pytest.raises(SystemExit, match="documents stands for mine, which is not of a sync"):
        collection.sync(nights.store.path)

    assert collection.client.collection_exists("mine")


def test_an_index_of_a_table_stays_when_a_night_comes_in(database: str, nights: Nights) -> None:
    table = Table(database)
    table.sync(nights.store.path)
    table.execute("CREATE INDEX found ON documents USING hnsw (vector vector_cosine_ops)")
    following(nights, *TUESDAY)

    table.sync(nights.store.path)

    assert table.execute("SELECT 1 FROM pg_indexes WHERE indexname = 'found'") == [(1,)]
    query = vector_of("what comes\nnow", DIMENSION)
    ((identity, text, cosine),) = table.recipe.nearest(table.connection, "documents", query, 1)
    assert (identity, text, round(cosine, 6)) == ("comes", "what comes\nnow", 1)
    table.connection.close()


def test_points_have_the_ids_that_our_chunks_have(nights: Nights) -> None:
    from embed_pipeline.transforms.rag import chunk
    from tests.support.rows import row

    assert recipe("sync_qdrant").key({"id": "a"}) == chunk(row("a"), "uuid").id


@pytest.mark.parametrize("name", ["sync_pgvector", "sync_qdrant", "search_lancedb"])
def test_a_recipe_has_a_row_group_in_memory_not_a_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    rows = pyarrow.table({"id": [os.urandom(500).hex() for _ in range(1000)]})
    with pq.ParquetWriter(path, rows.schema, compression="none", use_dictionary=False) as writer:
        for _ in range(40):
            writer.write_table(rows)
    file = DataFile(path=path.name, rows=40_000, bytes=path.stat().st_size, sha256="")
    made = recipe(name)
    if name == "search_lancedb":
        batches = made.batches([str(path)])
    else:
        batches = made.batches(str(tmp_path), [file])

    before = pyarrow.total_allocated_bytes()
    most = max(pyarrow.total_allocated_bytes() for _ in batches)

    assert path.stat().st_size > 40_000_000
    assert most - before < 10_000_000


def test_duckdb_searches_the_rows_that_a_condition_leaves(
    samples: dict[tuple[str, str], Sample],
) -> None:
    data = samples["float32", "plain"].data

    found = recipe("search_duckdb").nearest(data, QUERIES[0].tolist(), 2, "id <> 'doc-160'")

    assert [(hit[0], round(hit[2], 6)) for hit in found] == [
        ("doc-147", 0.141039),
        ("doc-286", 0.140222),
    ]


def test_an_index_of_lancedb_finds_the_same_where_all_of_it_is_read(
    samples: dict[tuple[str, str], Sample], tmp_path: Path
) -> None:
    made = recipe("search_lancedb")
    table = made.build(samples["float32", "plain"].data, str(tmp_path))

    made.index(table, 4)

    assert [one.index_type for one in table.list_indices()] == ["IvfFlat"]
    found = table.search(QUERIES[1]).distance_type("cosine").nprobes(4).limit(5).to_list()
    assert [hit["id"] for hit in found] == NEAREST[1]


def test_a_table_of_lancedb_is_replaced(
    samples: dict[tuple[str, str], Sample], tmp_path: Path
) -> None:
    made = recipe("search_lancedb")
    for _ in range(2):
        table = made.build(samples["float32", "plain"].data, str(tmp_path))

    assert table.count_rows() == 300


@pytest.mark.parametrize(
    ("script", "arguments", "said"),
    [
        ("search_duckdb", ["{data}", "what stays"], "1.0000  stays  what stays"),
        ("search_lancedb", ["{data}", "{folder}/lance", "what stays"], "1.0000  stays  what stays"),
        ("sync_pgvector", ["{store}", "{server}", "scripted"], "4 rows, all of snapshot 1"),
        ("sync_qdrant", ["{store}", ":memory:", "scripted"], "all of snapshot 1"),
    ],
)
def test_a_recipe_runs_as_a_script(
    script: str,
    arguments: list[str],
    said: str,
    nights: Nights,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    names = {
        "data": f"{nights.path}/data",
        "store": nights.store.path,
        "folder": tmp_path,
        "server": request.getfixturevalue("database"),
    }
    done = subprocess.run(
        [sys.executable, str(FOLDER / f"{script}.py"), *(one.format(**names) for one in arguments)],
        env={
            **os.environ,
            "PYTHONPATH": str(FOLDER.parents[1]),
            "OLLAMA_HOST": nights.endpoint.url,
        },
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(said)
