"""Copy a dataset into a table of LanceDB, and search it.

    python docs/recipes/search_lancedb.py out/python-docs/data out/lance "read a csv file"

A row group is in memory at a time. Building it again replaces it: searches see the
old table until the new one is whole.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import lancedb
import pyarrow.dataset
import pyarrow.parquet as pq

from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint
from embed_pipeline.locate import opened

BATCH_ROWS = 2_000


def build(data: str, database: str, name: str = "documents") -> Any:
    """Return a table that has the rows of a dataset.

    Args:
        data: The folder with the dataset's rows.
        database: The folder of the database.
        name: The table's name; one of that name is replaced.
    """
    files = pyarrow.dataset.dataset(data)
    reader = pyarrow.RecordBatchReader.from_batches(files.schema, batches(files.files))
    return lancedb.connect(database).create_table(name, reader, mode="overwrite")


def batches(files: Iterable[str]) -> Iterator[pyarrow.RecordBatch]:
    """Yield the rows of files; pre_buffer would keep what was read of each to its end."""
    for file in files:
        yield from pq.ParquetFile(file, pre_buffer=False).iter_batches(BATCH_ROWS)


def nearest(table: Any, query: Sequence[float], count: int = 10) -> list[dict[str, Any]]:
    """Return the rows nearest to a query vector, best first; `_distance` is 1 - cosine."""
    return list(table.search(query).distance_type("cosine").limit(count).to_list())


def index(table: Any, partitions: int) -> None:
    """Make searches read some partitions instead of all rows: faster, and no longer exact.

    Worth it from some 100,000 rows on. `table.search(...).nprobes(N)` says how many are read.
    """
    table.create_index(metric="cosine", index_type="IVF_FLAT", num_partitions=partitions)


def main(data: str, database: str, question: str) -> None:
    """Build the table and print the ten nearest rows to a question."""
    table = build(data, database)
    with opened(Endpoint(model="all-minilm")) as endpoint, Client(endpoint) as client:
        query = client.embed([question]).answer.vectors[0]
    for row in nearest(table, query):
        print(f"{1 - row['_distance']:.4f}  {row['id']}  {' '.join(row['text'].split())[:80]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
