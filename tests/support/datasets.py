"""Small datasets made by the writer, and the ways tests change them afterwards."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from embed_pipeline import commit
from embed_pipeline.commit import MergeTask, Target
from embed_pipeline.failure_parts import FailureWriter
from embed_pipeline.manifest import DataFile, Manifest
from embed_pipeline.output import Output
from embed_pipeline.parts import PartFile, RowWriter, Written
from embed_pipeline.provenance import footer
from embed_pipeline.records import Embedded, Failed
from embed_pipeline.staging import Run
from tests.support.rows import RUN_ID, made_by


def dataset(
    path: Path | str,
    *parts: Sequence[Embedded],
    failed: Sequence[str] = (),
    run_id: str = RUN_ID,
    **output: object,
) -> Manifest:
    """Publish rows as a dataset, one data file a part, and a failure for each of some ids."""
    settings = Output.model_validate({"path": str(path), **output})
    run = Run(str(path), run_id)
    job = {"output": settings.model_dump(mode="json")}
    to = Target(run, "2026-01-01T00:00:00+00:00", settings, {"n": "int64"}, "error", job)
    written = []
    for number, rows in enumerate(parts):
        writer = RowWriter(run, to.layout(made_by()), made_by())
        for one in rows:
            writer.add(one)
        (part,) = writer.close()
        assert isinstance(part, PartFile)
        written.append(commit.merge(to, made_by(), MergeTask(number, (part,), ((),))))
    failures = FailureWriter(run)
    for name in failed:
        failures.add(Failed(name, "t", None, "f", 9, "embed", "EmptyText", "document", "empty"))
    documents = sum(map(len, parts)) + len(failed)
    return commit.publish(to, Written(made_by(), documents, [], list(failures.close())), written)


def replaced(path: Path, manifest: Manifest, table: pa.Table) -> Manifest:
    """Write a table over the first data file; return the manifest with its new size and hash."""
    first = manifest.data[0]
    metadata = footer(manifest.provenance)
    pq.write_table(table.replace_schema_metadata(metadata), path / first.path)
    content = (path / first.path).read_bytes()
    file = DataFile(
        path=first.path,
        rows=table.num_rows,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    return manifest.model_copy(update={"data": [file, *manifest.data[1:]]})
