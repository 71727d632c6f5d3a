"""One Parquet file: its bytes, its hash, its footer, and errors that name it."""

import hashlib
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_pipeline.hashed_parquet import HashedParquet

SCHEMA = pa.schema([("n", pa.int64())])


def batch(*numbers: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(numbers, pa.int64())], schema=SCHEMA)


def test_the_hash_and_the_size_are_the_file_s(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.parquet"
    file = HashedParquet(str(path), SCHEMA, {"key": "value"})
    file.write([batch(1, 2), batch(3)])
    digest = file.close()
    data = path.read_bytes()
    assert (digest, file.bytes, file.rows) == (hashlib.sha256(data).hexdigest(), len(data), 3)
    assert pq.read_metadata(path).metadata[b"key"] == b"value"


def test_each_write_is_one_row_group(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    file = HashedParquet(str(path), SCHEMA, {})
    file.write([batch(1, 2), batch(3)])
    file.write([batch(4)])
    file.close()
    metadata = pq.read_metadata(path)
    assert [metadata.row_group(n).num_rows for n in range(2)] == [3, 1]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the writer's own
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is a Linux device")  # noqa: PTH110
def test_a_full_disk_is_an_error_that_names_the_file() -> None:
    with pytest.raises(OSError, match="No space left on device: /dev/full"):
        HashedParquet("/dev/full", SCHEMA, {}).write([batch(*range(1_000_000))])
