"""A Parquet file of ours without some of its rows, of which one row group is in memory."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embed_pipeline import files
from embed_pipeline.errors import DatasetError
from embed_pipeline.hashed_parquet import HashedParquet
from embed_pipeline.manifest import DataFile
from embed_pipeline.output import Output
from embed_pipeline.verify import BATCH_ROWS

_ARROW = b"ARROW:schema"  # which the writer adds by itself


def without(
    source: str,
    target: str,
    gone: NDArray[np.bool_],
    output: Output | None,
    count: Callable[[pa.Table], None],
) -> DataFile:
    """Write a file without some of its rows; columns, footer and row groups stay.

    Args:
        source: The file.
        target: Where to write; that is also the result's path.
        gone: Whether each row is left out, shape (rows of the file,).
        output: The settings of the vectors' encoding; None for a file without vectors.
        count: Is given the rows that are left out, some at a time.

    Raises:
        DatasetError: The file has another number of rows.
    """
    with files.open_input(source) as stream:
        parquet = pq.ParquetFile(stream)
        rows = parquet.metadata.num_rows
        if rows != len(gone):
            raise DatasetError(
                f"{source} has {rows:,} rows, and the file it goes with {len(gone):,}; put it back "
                "from a copy of the store"
            )
        schema = parquet.schema_arrow.remove_metadata()
        new = HashedParquet(target, schema, _metadata(parquet), output)
        start = 0
        for group in range(parquet.num_row_groups):
            kept: list[pa.RecordBatch] = []
            for batch in parquet.iter_batches(BATCH_ROWS, row_groups=[group]):
                here = gone[start : start + batch.num_rows]
                start += batch.num_rows
                if here.any():
                    count(pa.Table.from_batches([batch.filter(pa.array(here))]))
                left = batch.filter(pa.array(~here))
                kept += [left.replace_schema_metadata(None)] if left.num_rows else []
            if kept:
                new.write(kept)
        digest = new.close()
    return DataFile(path=target, rows=new.rows, bytes=new.bytes, sha256=digest)


def _metadata(parquet: pq.ParquetFile) -> dict[str, str]:
    found = parquet.metadata.metadata or {}
    return {key.decode(): value.decode() for key, value in found.items() if key != _ARROW}
