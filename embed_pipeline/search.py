"""Search a dataset: the nearest rows to a query, by cosine."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embed_pipeline import files
from embed_pipeline.manifest import Manifest


class Hit(NamedTuple):
    """Hold one row that was found: its cosine to the query, and its columns but the vector."""

    score: float
    row: dict[str, Any]


def nearest_rows(
    dataset: str, manifest: Manifest, query: NDArray[np.float32], count: int
) -> list[Hit]:
    """Return the rows nearest to a query vector, best first.

    Reads the vectors once, a row group at a time, then only the row groups that hold hits.

    Args:
        dataset: The dataset's folder.
        manifest: Its manifest.
        query: float32, shape (dimension,), unit length.
        count: How many rows.
    """
    vector = _vector_column(manifest)
    best: list[tuple[float, str, int, int]] = []
    for path, group, parquet in _row_groups(dataset, manifest):
        column = parquet.read_row_group(group, columns=[vector])[vector]
        scores = _matrix(column, len(query)) @ query
        top = np.argsort(-scores, kind="stable")[:count]
        best += [(float(scores[row]), path, group, int(row)) for row in top]
        best = sorted(best, key=lambda hit: -hit[0])[:count]
    return [_hit(*found, vector) for found in best]


def _vector_column(manifest: Manifest) -> str:
    """Return what the vector column is called in this dataset."""
    columns = manifest.job.get("output", {}).get("columns", {})
    return str(columns.get("vector", "vector"))


def _row_groups(dataset: str, manifest: Manifest) -> Iterator[tuple[str, int, pq.ParquetFile]]:
    for file in manifest.data:
        path = files.join(dataset, file.path)
        with files.open_input(path) as stream:
            parquet = pq.ParquetFile(stream)
            for group in range(parquet.num_row_groups):
                yield path, group, parquet


def _matrix(column: pa.ChunkedArray, dimension: int) -> NDArray[np.float32]:
    """Return a list column as float32, shape (rows, dimension)."""
    flat = pa.concat_arrays([chunk.flatten() for chunk in column.chunks])
    values: NDArray[np.float32] = flat.to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    return values.reshape(-1, dimension)


def _hit(score: float, path: str, group: int, row: int, vector: str) -> Hit:
    with files.open_input(path) as stream:
        parquet = pq.ParquetFile(stream)
        names = [name for name in parquet.schema_arrow.names if name != vector]
        found = parquet.read_row_group(group, columns=names).slice(row, 1).to_pylist()[0]
    return Hit(score, found)
