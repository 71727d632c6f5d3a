"""Keep a table of PostgreSQL with pgvector as the current snapshot of a store is.

    python docs/recipes/sync_pgvector.py out/store "dbname=search" documents

To be run after every refresh. A table that holds the snapshot before gets the night's changes, one
that holds this one stays as it is, any other is filled from data/. All of it is one transaction: a
search sees the table as it was or as it is to be, and a sync that dies has changed nothing. The
table's comment says which snapshot it holds, and of which run: one of another store has the same
number. In memory is a row group at most.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from pgvector.psycopg import register_vector
from psycopg.sql import SQL, Composed, Identifier, Literal

from embed_pipeline import files
from embed_pipeline.errors import DatasetError
from embed_pipeline.manifest import DataFile, Manifest, read_manifest
from embed_pipeline.output import COLUMNS
from embed_pipeline.store import Store

TYPES = {"string": "text", "int32": "int4", "int64": "int8", "double": "float8", "bool": "bool"}
MADE_BY = {"made_by": "sync_pgvector.py of embed_pipeline"}
BATCH_ROWS = 2_000
CHANGING = (
    "DELETE FROM {old} USING {new} WHERE {old}.id = {new}.id AND {new}.op <> 'attributes'",
    "INSERT INTO {old} ({whole}) SELECT {whole} FROM {new} WHERE op IN ('insert', 'update')",
    (
        "UPDATE {old} SET ({own}) = (SELECT {own} FROM {new} WHERE {new}.id = {old}.id)"
        " WHERE id IN (SELECT id FROM {new} WHERE op = 'attributes')"
    ),
    "DROP TABLE {new}",
)


def sync(connection: psycopg.Connection[Any], path: str, table: str) -> str:
    """Make a table what the current snapshot of a store is; return what was done.

    Args:
        connection: Its role may make the table, and the extension where that is not there yet.
        path: The folder of the store.
        table: It has the snapshot's columns; `id` is the key. Where the columns have changed it is
            made anew, else its indexes and grants stay. One that is not of a sync is refused.
    """
    store = Store(path)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [table])  # one at a time
        number = store.number()
        if number is None:
            raise SystemExit(f"{path} has no snapshot yet")
        folder = store.snapshot(number)
        manifest = read_manifest(folder)
        columns = column_types(manifest)
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        register_vector(connection)
        wanted = state(number, manifest.run_id, columns)
        base = manifest.refresh.base if manifest.refresh else None
        held = held_state(connection, table)
        if held == wanted:
            return f"snapshot {number} is there already"
        if held and base and held == state(base, run_of(store, base), columns):
            rows = apply_changes(connection, table, columns, batches(folder, manifest.changes))
            done = f"{rows} changes, from snapshot {base} to {number}"
        else:
            rows = copy_whole(connection, table, held, folder, manifest)
            done = f"{rows} rows, all of snapshot {number}"
            if held and run_of(store, held["snapshot"]) != held["run_id"]:
                done += f"; snapshot {held['snapshot']} of run {held['run_id']}, which was there, "
                done += "is not in this store"
        said = SQL("COMMENT ON TABLE {} IS {}")
        connection.execute(said.format(Identifier(table), Literal(json.dumps(wanted))))
    return done


def nearest(
    connection: psycopg.Connection[Any], table: str, query: Any, count: int = 10
) -> list[tuple[Any, ...]]:
    """Return id, text and cosine of the rows nearest to a query (a float32 array), best first."""
    register_vector(connection)
    distance = "vector <=> %(query)s"
    find = SQL(f"SELECT id, text, 1 - ({distance}) FROM {{}} ORDER BY {distance} LIMIT {{}}")
    done = connection.execute(find.format(Identifier(table), Literal(count)), {"query": query})
    return list(done.fetchall())


def column_types(manifest: Manifest) -> dict[str, str]:
    """Return PostgreSQL's type of each column of a snapshot."""
    vector = f"vector({manifest.provenance['dimension']})"
    return {name: TYPES.get(kind, vector) for name, kind in manifest.columns.items()}


def state(number: int, run_id: str | None, columns: Mapping[str, str]) -> dict[str, Any]:
    """Return what the comment of a table says that holds a snapshot."""
    return {**MADE_BY, "snapshot": number, "run_id": run_id, "columns": dict(columns)}


def held_state(connection: psycopg.Connection[Any], table: str) -> dict[str, Any] | None:
    """Return what the comment of a table says; None where it is not of a sync."""
    query = "SELECT obj_description(to_regclass(quote_ident(%s)), 'pg_class')"
    found = connection.execute(query, [table]).fetchone()
    try:
        held = json.loads(found[0] or "null") if found else None
    except ValueError:  # somebody else's comment
        return None
    return held if isinstance(held, dict) and held.items() >= MADE_BY.items() else None


def run_of(store: Store, number: int) -> str | None:
    """Return which run made a snapshot of a store; None where it is not there any more."""
    try:
        return read_manifest(store.snapshot(number)).run_id
    except DatasetError:
        return None


def make(connection: psycopg.Connection[Any], table: str, columns: Mapping[str, str]) -> None:
    """Make an empty table."""
    statement = SQL("CREATE TABLE {} ({}, PRIMARY KEY (id))")
    connection.execute(statement.format(Identifier(table), defined(columns)))


def copy_whole(
    connection: psycopg.Connection[Any],
    table: str,
    held: Mapping[str, Any] | None,
    folder: str,
    manifest: Manifest,
) -> int:
    """Make a table a snapshot's rows, whatever it held; return how many."""
    columns = column_types(manifest)
    same = held is not None and held["columns"] == columns
    if held is not None:
        drop = "DELETE FROM {}" if same else "DROP TABLE {}"
        connection.execute(SQL(drop).format(Identifier(table)))
    if not same:
        make(connection, table, columns)
    return copy(connection, table, columns, batches(folder, manifest.data))


def apply_changes(
    connection: psycopg.Connection[Any],
    table: str,
    columns: Mapping[str, str],
    changes: Iterable[pa.RecordBatch],
) -> int:
    """Bring a change feed into a table; return how many changes there are."""
    staged = {"op": "text", **columns}
    new, old = Identifier("changes_of_the_night"), Identifier(table)
    connection.execute(SQL("CREATE TEMP TABLE {} ({})").format(new, defined(staged)))
    count = copy(connection, "changes_of_the_night", staged, changes)
    own = [name for name in columns if name not in COLUMNS] or ["id"]  # SQL knows no empty list
    for statement in CHANGING:
        query = SQL(statement).format(old=old, new=new, whole=names(columns), own=names(own))
        connection.execute(query)
    return count


def copy(
    connection: psycopg.Connection[Any],
    table: str,
    columns: Mapping[str, str],
    rows: Iterable[pa.RecordBatch],
) -> int:
    """Copy rows into a table; return how many."""
    count = 0
    into = SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)")
    statement = into.format(Identifier(table), names(columns))
    with connection.cursor() as cursor, cursor.copy(statement) as target:
        target.set_types([kind.partition("(")[0] for kind in columns.values()])
        for batch in rows:
            values = [cells(batch[name]) for name in columns]
            for row in zip(*values, strict=True):
                target.write_row(row)
            count += batch.num_rows
    return count


def cells(column: pa.Array) -> list[Any]:
    """Return a column's values; vectors as arrays."""
    if pa.types.is_nested(column.type):
        return list(column.to_numpy(zero_copy_only=False))
    return list(column.to_pylist())


def batches(folder: str, listed: Iterable[DataFile]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of files of a snapshot; pre_buffer would keep a file's bytes to its end."""
    for file in listed:
        with files.open_input(files.join(folder, file.path)) as stream:
            yield from pq.ParquetFile(stream, pre_buffer=False).iter_batches(BATCH_ROWS)


def defined(columns: Mapping[str, str]) -> Composed:
    """Return columns with their types."""
    return SQL(", ").join(Identifier(name) + SQL(f" {kind}") for name, kind in columns.items())


def names(columns: Iterable[str]) -> Composed:
    """Return columns' names."""
    return SQL(", ").join(map(Identifier, columns))


if __name__ == "__main__":
    with psycopg.connect(sys.argv[2]) as database:
        print(sync(database, sys.argv[1], sys.argv[3]))
