"""What readers find in a folder of rows: each reads it in its own way, as its users would."""

import copy
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from embed_pipeline.manifest import read_manifest
from tests.readers.recipes import recipe
from tests.readers.sample import QUERIES

NEAREST = 5


class Found(NamedTuple):
    """Hold what a reader finds.

    Attributes:
        types: What the reader calls the type of each column.
        rows: Every row, with its vector.
        nearest: For each of QUERIES the ids of the five nearest rows by cosine, best first.
    """

    types: dict[str, str]
    rows: list[dict[str, Any]]
    nearest: list[list[str]]


class Places(NamedTuple):
    """Say where readers may work.

    Attributes:
        scratch: An empty folder.
        postgres: Returns how to connect to a server.
        spark: Returns what a version of Spark has found in each folder of rows.
    """

    scratch: Path
    postgres: Callable[[], str]
    spark: Callable[[str], Mapping[str, Any]]


def by_numpy(ids: Sequence[str], vectors: NDArray[np.float32]) -> list[list[str]]:
    """Return what numpy finds nearest, for readers that only read."""
    norms = np.linalg.norm(vectors, axis=1)
    scores = [(vectors @ query) / norms for query in QUERIES]
    return [[ids[row] for row in np.argsort(-score)[:NEAREST]] for score in scores]


def pyarrow(data: str, _: Places) -> Found:
    import pyarrow.dataset

    table = pyarrow.dataset.dataset(data).to_table()
    vectors = np.stack(table["vector"].to_numpy()).astype(np.float32)
    types = {field.name: str(field.type) for field in table.schema}
    return Found(types, table.to_pylist(), by_numpy(table["id"].to_pylist(), vectors))


def duckdb(data: str, _: Places) -> Found:
    import duckdb

    rows = duckdb.sql(f"FROM '{data}/*.parquet'")
    types = dict(zip(rows.columns, map(str, rows.types), strict=True))
    nearest = recipe("search_duckdb").nearest
    return Found(
        types,
        [dict(zip(rows.columns, row, strict=True)) for row in rows.fetchall()],
        [[hit[0] for hit in nearest(data, query.tolist(), NEAREST)] for query in QUERIES],
    )


def polars(data: str, _: Places) -> Found:
    import polars

    table = polars.read_parquet(data)
    types = {name: str(kind) for name, kind in table.schema.items()}
    vectors = np.stack(table["vector"].to_list()).astype(np.float32)
    return Found(types, table.to_dicts(), by_numpy(table["id"].to_list(), vectors))


def pandas(data: str, _: Places) -> Found:
    import pandas

    table = pandas.read_parquet(data, dtype_backend="pyarrow")
    types = {name: str(kind) for name, kind in table.dtypes.items()}
    rows = [
        {name: None if value is pandas.NA else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]
    vectors = np.stack(table["vector"].to_list()).astype(np.float32)
    return Found(types, rows, by_numpy(table["id"].to_list(), vectors))


def datasets(data: str, places: Places) -> Found:
    import datasets

    rows = datasets.load_dataset(data, split="train", cache_dir=str(places.scratch))
    types = {name: _feature(kind) for name, kind in rows.features.items()}
    vectors = np.stack(rows.with_format("numpy")["vector"][:]).astype(np.float32)
    return Found(types, list(rows), by_numpy(rows["id"][:], vectors))


def _feature(kind: Any) -> str:
    """Return a feature as its documentation writes it."""
    if hasattr(kind, "feature"):
        length = "" if kind.length == -1 else f", length={kind.length}"
        return f"List({_feature(kind.feature)}{length})"
    return f"Value('{kind.dtype}')"


def lancedb(data: str, places: Places) -> Found:
    made = recipe("search_lancedb")
    table = made.build(data, str(places.scratch))
    rows = table.to_arrow()
    return Found(
        {field.name: str(field.type) for field in rows.schema},
        rows.to_pylist(),
        [[hit["id"] for hit in made.nearest(table, query, NEAREST)] for query in QUERIES],
    )


def clickhouse(data: str, _: Places) -> Found:
    import chdb

    source = f"file('{data}/*.parquet')"
    columns = chdb.query(f"DESCRIBE {source}", "ArrowTable")
    rows = chdb.query(f"SELECT * FROM {source}", "ArrowTable").to_pylist()
    nearest = []
    for query in QUERIES:
        order = f"cosineDistance(vector, {query.tolist()})"
        statement = f"SELECT id FROM {source} ORDER BY {order} LIMIT {NEAREST}"
        nearest.append([row["id"] for row in chdb.query(statement, "ArrowTable").to_pylist()])
    types = zip(columns["name"].to_pylist(), columns["type"].to_pylist(), strict=True)
    return Found(dict(types), rows, nearest)


def spark3(data: str, places: Places) -> Found:
    return _told(places.spark("3.5")[data])


def spark4(data: str, places: Places) -> Found:
    return _told(places.spark("4")[data])


def _told(found: dict[str, Any]) -> Found:
    if "error" in found:
        raise RuntimeError(found["error"])
    return Found(**copy.deepcopy(found))


def postgres(data: str, places: Places) -> Found:
    import psycopg
    from psycopg.rows import dict_row

    made = recipe("sync_pgvector")
    folder = str(Path(data).parent)
    manifest = read_manifest(folder)
    with psycopg.connect(places.postgres()) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        made.register_vector(connection)
        columns = made.column_types(manifest)
        made.make(connection, "documents", columns)
        made.copy(connection, "documents", columns, made.batches(folder, manifest.data))
        types = connection.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = 'documents'::regclass AND attnum > 0"
        ).fetchall()
        hits = [made.nearest(connection, "documents", query, NEAREST) for query in QUERIES]
        with connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute("SELECT * FROM documents").fetchall()
        connection.rollback()
    for row in rows:
        row["vector"] = row["vector"].to_numpy()
    return Found(dict(types), rows, [[hit[0] for hit in found] for found in hits])


def qdrant(data: str, _: Places) -> Found:
    from qdrant_client import QdrantClient

    made = recipe("sync_qdrant")
    folder = str(Path(data).parent)
    client = QdrantClient(":memory:")
    made.fill(client, "documents", folder, read_manifest(folder))
    points, _next = client.scroll("documents", limit=1000, with_vectors=True)
    hits = [made.nearest(client, "documents", query.tolist(), NEAREST) for query in QUERIES]
    nothing = dict.fromkeys(read_manifest(folder).columns)
    rows = [{**nothing, **point.payload, "vector": point.vector} for point in points]
    types = {name: type(value).__name__ for row in rows for name, value in row.items() if value}
    return Found(types, rows, [[hit[0] for hit in found] for found in hits])


def version(reader: str, places: Places) -> str:
    """Return which version of a reader is run."""
    import chdb
    import psycopg

    if reader == "ClickHouse":
        return str(chdb.query("SELECT version()", "TabSeparated")).strip()
    if reader.startswith("Spark"):
        return str(places.spark(reader.removeprefix("Spark "))["version"])
    if reader.startswith("PostgreSQL"):
        with psycopg.connect(places.postgres()) as connection:
            query = "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'"
            found = connection.execute(query).fetchone()
            assert found is not None
            return f"{connection.info.parameter_status('server_version')}, pgvector {found[0]}"
    names = {"Hugging Face datasets": "datasets", "Qdrant": "qdrant-client"}
    return importlib.metadata.version(names.get(reader, reader))


READERS: Mapping[str, Callable[[str, Places], Found]] = {
    "pyarrow": pyarrow,
    "DuckDB": duckdb,
    "Polars": polars,
    "pandas": pandas,
    "Hugging Face datasets": datasets,
    "LanceDB": lancedb,
    "ClickHouse": clickhouse,
    "Spark 3.5": spark3,
    "Spark 4": spark4,
    "PostgreSQL with pgvector": postgres,
    "Qdrant": qdrant,
}
