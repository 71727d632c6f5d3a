"""Refreshes by hand: what stays, what was embedded and what was copied becomes a snapshot."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from embed_pipeline import assembly, files, publication
from embed_pipeline.attributes import AttributeTypes
from embed_pipeline.commit import Target
from embed_pipeline.known import Source
from embed_pipeline.manifest import Refresh
from embed_pipeline.output import Output
from embed_pipeline.parts import PartFile, RowWriter
from embed_pipeline.records import Embedded
from embed_pipeline.schema import Layout
from embed_pipeline.snapshot import Outcome, SnapshotTarget, data_files
from embed_pipeline.staging import Run
from embed_pipeline.store import Store
from tests.support.marked import N, rows_of
from tests.support.rows import made_by
from tests.support.scripted import DIMENSION

STARTED = "2026-01-01T00:00:00.000+00:00"


class Night:
    """Be one refresh of a store.

    Attributes:
        store: The store.
        run: The run.
        before: The files of the current snapshot's rows.
        sources: Those whose rows may be reused.
    """

    def __init__(
        self,
        store: Store,
        *left: Source,
        types: AttributeTypes | None = None,
        reuses: bool = True,
        run_id: str = "",
        notes: tuple[str, ...] = (),
        keep: int = 2,
        **output: Any,
    ) -> None:
        self.store = store
        self.base = store.number()
        self.number = (self.base or 0) + 1
        self.run = Run(store.snapshot(self.number), f"2026010{self.number}T000000Z-abc123")
        self.output = Output.model_validate({"path": store.path, **output})
        self.types = N if types is None else types
        manifest = store.manifest()
        self.before: tuple[PartFile, ...] = ()
        if manifest is not None and self.base is not None:
            folder = store.snapshot(self.base)
            self.before = tuple(data_files(folder, manifest.data, manifest.index))
        known = [Source(part, 0) for part in self.before if part.rows and reuses]
        self.sources = (*known, *left)
        job = {"output": self.output.model_dump(mode="json")}
        self.target = SnapshotTarget(
            store,
            self.number,
            Target(self.run, STARTED, self.output, self.types, "error", job),
            run_id or self.run.run_id,
            self.base,
            self.before,
            self.sources,
            "id",
            keep,
            notes,
        )

    def embedded(self, *rows: Embedded) -> PartFile:
        """Write rows as a part of this run."""
        writer = RowWriter(self.run, Layout(self.output, DIMENSION, self.types), made_by())
        for one in rows:
            writer.add(one)
        (found,) = writer.close()
        assert isinstance(found, PartFile)
        return found

    def outcome(
        self,
        kept: Sequence[Sequence[int]] = (),
        *,
        embedded: Sequence[PartFile] = (),
        copied: Sequence[PartFile] = (),
        failures: Sequence[PartFile] = (),
        provenance: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Outcome:
        """Return what was done; by default all rows of all sources stay."""
        numbers = kept or [range(source.part.rows) for source in self.sources]
        stay = [np.array(some, np.int64) for some in numbers]
        rows = sum(map(len, stay)) + sum(one.rows for one in (*embedded, *copied, *failures))
        values = {"recount": {}, "chunked": None, "effort": {}, "forgotten": 0, **fields}
        return Outcome(
            dict(made_by() if provenance is None else provenance),
            stay,
            list(embedded),
            list(copied),
            list(failures),
            expected=values.pop("expected", rows),
            **values,
        )

    def publish(self, outcome: Outcome) -> Refresh:
        """Plan, merge and publish."""
        tasks = assembly.plan(self.target, outcome)
        made = [assembly.merge(self.target, outcome.provenance, task) for task in tasks]
        return publication.publish(self.target, outcome, made)


def began(store: Store, *parts: Sequence[Embedded], **how: Any) -> Refresh:
    """Publish the first snapshot of a store."""
    night = Night(store, **how)
    return night.publish(night.outcome(embedded=[night.embedded(*rows) for rows in parts]))


def current(store: Store) -> list[dict[str, Any]]:
    """Return the rows of the current snapshot."""
    manifest, number = store.manifest(), store.number()
    assert manifest is not None
    assert number is not None
    folder = store.snapshot(number)
    return rows_of(data_files(folder, manifest.data, manifest.index))


def changes(store: Store) -> list[tuple[str, str]]:
    """Return operation and id of each change of the current snapshot."""
    manifest, number = store.manifest(), store.number()
    assert manifest is not None
    assert number is not None
    folder = store.snapshot(number)
    parts = [
        PartFile(files.join(folder, one.path), one.rows, one.bytes, one.sha256)
        for one in manifest.changes
    ]
    return sorted((row["op"], row["id"]) for row in rows_of(parts))
