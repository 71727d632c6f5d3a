"""How to open a dataset, as code for its card: each block runs as it stands, in its folder.

Where a block needs a query it takes the first row's vector.
"""

import json
import shlex
from collections.abc import Iterator, Mapping
from textwrap import dedent
from typing import Any, NamedTuple

from embed_pipeline.output import COLUMNS
from embed_pipeline.schema import Layout
from embed_pipeline.tokens import applied

QUESTION = "why is the sky blue?"


class Sample(NamedTuple):
    """Hold a block of code: what it is for, its language, and its lines."""

    reader: str
    language: str
    lines: str


def query(provenance: Mapping[str, Any]) -> str:
    """Return the command that gives the vector of a query, as the rows' vectors were made."""
    told = {"dimensions": "dimensions_asked", "options": "options"}
    more = {key: provenance[name] for key, name in told.items() if provenance.get(name)}
    text = applied(str(provenance.get("query_prefix") or ""), QUESTION)
    body = {"model": provenance.get("model"), "input": [text], **more}
    return f"curl http://localhost:11434/api/embed -d {shlex.quote(json.dumps(body))}"


def samples(layout: Layout) -> Iterator[Sample]:
    """Yield how to load rows of a layout, and how to find the nearest to a vector."""
    yield Sample("pyarrow", "python", _pyarrow(layout))
    yield Sample("DuckDB", "sql", _duckdb(layout))
    yield Sample("Polars", "python", _polars(layout))
    yield Sample("Hugging Face datasets", "python", _datasets(layout))
    yield Sample("LanceDB", "python", _lancedb(layout))
    yield Sample("pgvector", "python", _pgvector(layout))


def _pyarrow(layout: Layout) -> str:
    vector = _literal(layout, "vector")
    return dedent(
        f"""
        import pyarrow.dataset as ds

        rows = ds.dataset("data").to_table()  # or to_batches(), where that is too much for memory
        flat = rows[{vector}].combine_chunks().flatten()
        vectors = flat.to_numpy().reshape(-1, {layout.dimension})
        nearest = rows.take((vectors @ vectors[0]).argsort()[::-1][:5])
        """
    )


def _duckdb(layout: Layout) -> str:
    names = ", ".join(_identifier(layout, name) for name in _names(layout))
    vector, array = _identifier(layout, "vector"), f"FLOAT[{layout.dimension}]"
    return dedent(
        """
        WITH query AS (SELECT {vector}::{array} AS wanted FROM 'data/*.parquet' LIMIT 1)
        SELECT {names}, array_cosine_similarity({vector}::{array}, wanted) AS cosine
        FROM 'data/*.parquet', query
        ORDER BY cosine DESC
        LIMIT 5;
        """  # a name may have lines of its own
    ).format(vector=vector, array=array, names=names)


def _polars(layout: Layout) -> str:
    vector = _literal(layout, "vector")
    return dedent(
        f"""
        import polars as pl

        rows = pl.read_parquet("data/*.parquet")
        vectors = rows[{vector}].cast(pl.Array(pl.Float32, {layout.dimension})).to_numpy()
        nearest = rows.with_columns(cosine=vectors @ vectors[0]).top_k(5, by="cosine")
        """
    )


def _datasets(layout: Layout) -> str:
    vector = _literal(layout, "vector")
    return dedent(
        f"""
        from pathlib import Path

        from datasets import load_dataset

        folder = str(Path.cwd())  # or a repository; streaming=True reads as it goes
        rows = load_dataset(folder, split="train")
        vectors = rows.select_columns([{vector}]).with_format("numpy")[:][{vector}]
        nearest = rows.select((vectors @ vectors[0]).argsort()[::-1][:5])
        """
    )


def _lancedb(layout: Layout) -> str:
    vector = _literal(layout, "vector")
    return dedent(
        f"""
        import lancedb
        import pyarrow as pa
        import pyarrow.dataset as ds

        schema = ds.dataset("data").schema
        place = schema.get_field_index({vector})
        fixed = pa.list_(schema.types[place].value_type, {layout.dimension})
        data = ds.dataset("data", schema=schema.set(place, pa.field({vector}, fixed)))
        table = lancedb.connect("memory://").create_table(  # or a folder of your own
            "embeddings", data.to_batches(), schema=data.schema
        )
        query = data.head(1)[{vector}].to_pylist()[0]
        search = table.search(query, vector_column_name={vector}).distance_type("cosine")
        nearest = search.limit(5).to_arrow()
        """
        if layout.output.vector_type == "list<float>"
        else f"""
        import lancedb
        import pyarrow.dataset as ds

        data = ds.dataset("data")
        table = lancedb.connect("memory://").create_table(  # or a folder of your own
            "embeddings", data.to_batches(), schema=data.schema
        )
        query = data.head(1)[{vector}].to_pylist()[0]
        search = table.search(query, vector_column_name={vector}).distance_type("cosine")
        nearest = search.limit(5).to_arrow()
        """
    )


def _pgvector(layout: Layout) -> str:
    names = _names(layout)
    wanted = ", ".join(_literal(layout, name) for name in (*names, "vector"))
    columns = "".join(f"{name} text{' PRIMARY KEY' * (name == 'id')}, " for name in names)
    vectors = f"vector vector({layout.dimension})"
    types = ", ".join(['"text"'] * len(names) + ['"vector"'])
    values = ", ".join(f"batch[{_literal(layout, name)}].to_pylist()" for name in names)
    return dedent(
        f"""
        import psycopg
        import pyarrow.dataset as ds
        from pgvector.psycopg import register_vector

        with psycopg.connect() as connection:  # where PGHOST, PGUSER and PGDATABASE say
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            register_vector(connection)
            connection.execute("CREATE TABLE embeddings ({columns}{vectors})")
            cursor = connection.cursor()
            with cursor.copy("COPY embeddings FROM STDIN WITH (FORMAT BINARY)") as copy:
                copy.set_types([{types}])
                for batch in ds.dataset("data").to_batches(columns=[{wanted}]):
                    flat = batch[{_literal(layout, "vector")}].flatten().to_numpy()
                    vectors = flat.astype("float32").reshape(-1, {layout.dimension})
                    for row in zip({values}, vectors):
                        copy.write_row(row)
            nearest = connection.execute(
                "SELECT id, vector <=> (SELECT vector FROM embeddings LIMIT 1) AS distance "
                "FROM embeddings ORDER BY distance LIMIT 5"
            ).fetchall()
        """  # noqa: S608 (shown, not run)
    )


def _names(layout: Layout) -> list[str]:
    """Return what is read of a row besides its vector, by our own names."""
    return ["id"] if layout.output.text == "drop" else ["id", "text"]


def _literal(layout: Layout, name: str) -> str:
    """Return a column's name in Python."""
    return json.dumps(layout.output.column(name), ensure_ascii=False)


def _identifier(layout: Layout, name: str) -> str:
    """Return a column's name in SQL."""
    called = layout.output.column(name)
    return called if called in COLUMNS else '"' + called.replace('"', '""') + '"'
