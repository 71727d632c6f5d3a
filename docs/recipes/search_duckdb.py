"""Search a dataset with DuckDB, which reads the files of data/ as they are.

    python docs/recipes/search_duckdb.py out/python-docs/data "read a csv file"

Reads every vector once; nothing is copied or kept.
"""

import sys
from collections.abc import Sequence
from typing import Any

import duckdb

from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.locate import opened


def nearest(
    data: str, query: Sequence[float], count: int = 10, where: str = "TRUE"
) -> list[tuple[Any, ...]]:
    """Return id, text and cosine of the rows nearest to a query vector, best first.

    Args:
        data: The folder with the dataset's rows.
        query: As many values as the dataset's vectors have.
        count: How many rows.
        where: A condition on the columns, in SQL.
    """
    vector = f"FLOAT[{len(query)}]"
    found = duckdb.execute(
        f"""
        SELECT id, text, array_cosine_similarity(vector::{vector}, $query::{vector}) AS cosine
        FROM read_parquet($files)
        WHERE {where}
        ORDER BY cosine DESC
        LIMIT {count}
        """,
        {"query": list(query), "files": f"{data}/*.parquet"},
    )
    return list(found.fetchall())


def main(data: str, question: str) -> None:
    """Print the ten nearest rows to a question."""
    with opened(Endpoint(model="all-minilm")) as endpoint, Client(endpoint) as client:
        query = client.embed([question]).answer.vectors[0]
    for identity, text, cosine in nearest(data, query.tolist()):
        print(f"{cosine:.4f}  {identity}  {' '.join(text.split())[:80]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
