"""One Parquet file, hashed on its way to the disk."""

import errno
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from embed_pipeline import files
from embed_pipeline.locations import naming
from embed_pipeline.output import Output


class HashedParquet:
    """Write one Parquet file and hash its bytes on their way.

    Args:
        path: The file; its folder is made.
        arrow_schema: Of every batch to come.
        metadata: Key-value metadata of the footer.
        output: The settings of the vectors' encoding; None for a file without vectors.
    """

    def __init__(
        self,
        path: str,
        arrow_schema: pa.Schema,
        metadata: Mapping[str, str],
        output: Output | None = None,
    ) -> None:
        self.path = path
        self.rows = 0
        self._sink = _HashingSink(files.open_output(path), path)
        self._writer = pq.ParquetWriter(
            pa.PythonFile(self._sink, mode="w"),
            arrow_schema,
            compression="zstd",
            compression_level=3,
            **_encoding(arrow_schema, output),
        )
        self._writer.add_key_value_metadata(dict(metadata))

    def write(self, batches: Sequence[pa.RecordBatch]) -> None:
        """Write batches as one row group."""
        table = pa.Table.from_batches(batches)
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))
        self.rows += table.num_rows

    @property
    def bytes(self) -> int:
        """Return the bytes written so far."""
        return self._sink.bytes

    def close(self) -> str:
        """Finish the file; return its sha256.

        Raises:
            FileNotFoundError: Somebody has deleted it meanwhile, which writing does not notice.
        """
        self._writer.close()
        self._sink.close()
        if not files.exists(self.path):
            raise FileNotFoundError(errno.ENOENT, "deleted while it was written", self.path)
        return self._sink.hash.hexdigest()


class _HashingSink:
    """Pass bytes on to a stream and hash them."""

    closed = False

    def __init__(self, stream: pa.NativeFile, path: str) -> None:
        self._stream = stream
        self._path = path
        self.hash = hashlib.sha256()
        self.bytes = 0

    def write(self, data: Any) -> int:
        with naming(self._path):
            self._stream.write(data)
        self.hash.update(data)
        self.bytes += len(data)
        return len(data)

    def flush(self) -> None:
        with naming(self._path):
            self._stream.flush()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            with naming(self._path):
                self._stream.close()


def _encoding(arrow_schema: pa.Schema, output: Output | None) -> dict[str, Any]:
    """Return the writer's options: vectors, texts and ids are not worth a dictionary."""
    if output is None:
        return {}
    vector = f"{output.column('vector')}.list.element"
    plain = {output.column(name) for name in ("id", "text", "vector")}
    split = output.vector_encoding == "byte_stream_split"
    return {
        "use_dictionary": [name for name in arrow_schema.names if name not in plain],
        "write_statistics": [name for name in arrow_schema.names if name not in plain],
        "column_encoding": {vector: "BYTE_STREAM_SPLIT"} if split else None,
    }
