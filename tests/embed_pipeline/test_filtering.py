"""A file without some of its rows: the others, its footer and its encoding as they were."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed_pipeline.errors import DatasetError
from embed_pipeline.filtering import without
from embed_pipeline.hashed_parquet import HashedParquet
from embed_pipeline.output import Output
from embed_pipeline.schema import Layout
from tests.support.rows import row
from tests.support.scripted import DIMENSION


def written(path: Path, output: Output) -> Path:
    """Write five rows in row groups of two, two and one."""
    layout = Layout(output, DIMENSION, {"n": "int64"})
    where = path / "old.parquet"
    file = HashedParquet(str(where), layout.schema(), {"embed_pipeline": "{}"}, output)
    for names in ("ab", "cd", "e"):
        file.write([layout.batch([row(name) for name in names])])
    file.close()
    return where


@pytest.mark.parametrize("encoding", ["plain", "byte_stream_split"])
@pytest.mark.parametrize("kind", ["float32", "float16", "list<float>"])
def test_the_other_rows_stay_as_they_are(tmp_path: Path, kind: str, encoding: str) -> None:
    output = Output.model_validate(
        {"path": str(tmp_path), "vector_type": kind, "vector_encoding": encoding}
    )
    old, target = written(tmp_path, output), tmp_path / "new.parquet"
    lost: list[str] = []
    gone = np.array([False, True, True, True, False])
    new = without(
        str(old), str(target), gone, output, lambda rows: lost.extend(rows["id"].to_pylist())
    )
    assert lost == ["b", "c", "d"]
    assert (new.path, new.rows) == (str(target), 2)
    content = target.read_bytes()
    assert (new.bytes, new.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert pq.read_table(target).equals(pq.read_table(old).filter(pa.array(~gone)))
    before, after = pq.ParquetFile(old), pq.ParquetFile(target)
    assert after.schema_arrow.equals(before.schema_arrow, check_metadata=True)
    assert after.metadata.metadata == before.metadata.metadata
    assert after.num_row_groups == 2
    for place in range(before.metadata.num_columns):
        columns = [one.metadata.row_group(0).column(place) for one in (before, after)]
        assert columns[0].encodings == columns[1].encodings


def test_a_file_of_which_no_row_is_left_keeps_its_columns(tmp_path: Path) -> None:
    output = Output(path=str(tmp_path))
    old, target = written(tmp_path, output), tmp_path / "new.parquet"
    assert without(str(old), str(target), np.ones(5, bool), output, lambda _: None).rows == 0
    assert pq.read_schema(target) == pq.read_schema(old)


def test_another_number_of_rows_is_refused(tmp_path: Path) -> None:
    output = Output(path=str(tmp_path))
    old = written(tmp_path, output)
    with pytest.raises(DatasetError, match="has 5 rows, and the file it goes with 3"):
        without(str(old), str(tmp_path / "new"), np.ones(3, bool), output, lambda _: None)
