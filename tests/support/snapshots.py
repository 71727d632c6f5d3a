"""Snapshots of a store written by hand, and what of given words is anywhere in a folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from embed_pipeline import commit, files, marks, resume
from embed_pipeline.attributes import AttributeTypes
from embed_pipeline.commit import MergeTask, Target
from embed_pipeline.failure_parts import FailureWriter
from embed_pipeline.hashed_parquet import HashedParquet
from embed_pipeline.manifest import DataFile, Manifest, Refresh
from embed_pipeline.open_metrics import open_metrics
from embed_pipeline.output import Output
from embed_pipeline.parts import PartFile, RowWriter, Written
from embed_pipeline.records import Embedded, Failed
from embed_pipeline.schema import INDEX, MARK_BYTES, Layout, id_hash
from embed_pipeline.staging import Run
from embed_pipeline.store import Store
from tests.support.rows import RUN_ID, made_by, row
from tests.support.scripted import DIMENSION

NIGHT = "20260303T000000Z-aaaaaa"
TIME = "2026-01-01T00:00:00+00:00"
Change = tuple[str, str | Embedded]


def marked(identity: str, text: str = "", **fields: Any) -> Embedded:
    """Return a row as a refresh has it: with the mark of its document."""
    made = row(identity, text, **fields)
    document = str(made.attributes.get("document_id", identity))
    mark = id_hash(document) + marks.text_mark(made.text) + bytes(8)
    return made._replace(mark=mark)


def failure(identity: str | None, text: str, **fields: Any) -> Failed:
    """Return a failure of a document's own text."""
    values = {"attributes": None, "source": "f", "line": 9, "stage": "embed", **fields}
    return Failed(
        **{"id": identity, "text": text, "kind": "EmptyText", "blame": "document", **values},
        message="empty",
    )


def snapshot(
    store: Store,
    number: int,
    parts: Sequence[Sequence[Embedded]],
    failures: Sequence[Failed] = (),
    changes: Sequence[Change] = (),
    *,
    attributes: AttributeTypes | None = None,
    chunked: int | None = None,
    job: dict[str, Any] | None = None,
    **output: object,
) -> Manifest:
    """Publish rows as a snapshot, one data file a part, and make it the current one."""
    path = store.snapshot(number)
    settings = Output.model_validate({"path": path, **output})
    told = {"output": settings.model_dump(mode="json"), **(job or {})}
    run, types = Run(path, RUN_ID), {"n": "int64"} if attributes is None else attributes
    to = Target(run, TIME, settings, types, "error", told)  # type: ignore[arg-type]
    layout = to.layout(made_by())
    writer = FailureWriter(run)
    for one in failures:
        writer.add(one)
    written = Written(
        made_by(), sum(map(len, parts)) + len(failures), [], list(writer.close()), chunked=chunked
    )
    merged = [
        commit.merge(to, made_by(), MergeTask(place, (_part(run, layout, rows),), ((),)))
        for place, rows in enumerate(parts)
    ]
    manifest = commit.publish(to, written, merged)
    manifest = manifest.model_copy(
        update={
            "index": [_index(path, place, rows) for place, rows in enumerate(parts)],
            "changes": [_changes(path, layout, changes)] if changes else [],
            "refresh": Refresh(
                run_id="night",
                snapshot=number,
                base=None,
                published=True,
                started=TIME,
                finished=TIME,
                rows=manifest.counts.rows,
                failed=manifest.counts.failed,
            ),
        }
    )
    files.write_bytes(files.join(path, "metrics.prom"), open_metrics(manifest).encode())
    files.write_bytes(run.manifest, manifest.to_json())
    store.publish(number)
    return manifest


def _part(run: Run, layout: Layout, rows: Sequence[Embedded]) -> PartFile:
    writer = RowWriter(run, layout, made_by())
    for one in rows:
        writer.add(one)
    (part,) = writer.close()
    assert isinstance(part, PartFile)
    return part


def _index(path: str, place: int, rows: Sequence[Embedded]) -> DataFile:
    where = f"index/part-{place:05d}.parquet"
    file = HashedParquet(files.join(path, where), INDEX, {})
    file.write(
        [
            pa.RecordBatch.from_arrays(
                [pa.array([one.mark for one in rows], pa.binary(MARK_BYTES))], schema=INDEX
            )
        ]
    )
    digest = file.close()
    return DataFile(path=where, rows=file.rows, bytes=file.bytes, sha256=digest)


def _changes(path: str, layout: Layout, changes: Sequence[Change]) -> DataFile:
    where, names = "changes/part-00000.parquet", layout.output.column
    rows = []
    for op, one in changes:
        if isinstance(one, str):
            rows.append({"op": op, names("id"): one})
        else:
            (values,) = layout.batch([one]).to_pylist()
            rows.append({"op": op, **values})
    file = HashedParquet(files.join(path, where), layout.changes(), {}, layout.output)
    file.write([pa.RecordBatch.from_pylist(rows, schema=layout.changes())])
    digest = file.close()
    return DataFile(path=where, rows=file.rows, bytes=file.bytes, sha256=digest)


def ids(path: str) -> list[str]:
    """Return the ids of a snapshot's rows, in the order of its manifest."""
    manifest = Manifest.model_validate_json(files.read_bytes(files.join(path, "manifest.json")))
    name = Output.model_validate({"path": path, **_columns(manifest)}).column("id")
    return [
        one
        for file in manifest.data
        for one in pq.read_table(files.join(path, file.path))[name].to_pylist()
    ]


def _columns(manifest: Manifest) -> dict[str, Any]:
    return {"columns": manifest.job["output"]["columns"]}


def holding(folder: Path, *words: str) -> list[str]:
    """Return the files that hold a word, or the hash of a document of that id.

    Parquet is looked through uncompressed, all columns of it; any other file by its bytes.
    """
    found = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        content = path.read_bytes()
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            content += b"".join(_content(column) for column in table.columns)
        wanted = [word.encode() for word in words]
        if path.suffix == ".parquet":
            wanted += [id_hash(word) for word in words]
        if any(word in content for word in wanted):
            found.append(str(path.relative_to(folder)))
    return found


def _content(column: pa.ChunkedArray) -> bytes:
    return b"\n".join(
        one if isinstance(one, bytes) else str(one).encode() for one in column.to_pylist()
    )


def stopped(store: Store, number: int, *parts: Sequence[Embedded], run_id: str = NIGHT) -> Run:
    """Leave behind whole parts of a run into a snapshot, as one that was killed does."""
    run = Run(store.snapshot(number), run_id)
    resume.begin(run, {}, "digest")
    layout = Layout(Output(path=run.path), DIMENSION, {"n": "int64"})
    for rows in parts:
        _part(run, layout, rows)
    return run
