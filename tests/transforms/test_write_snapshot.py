"""WriteSnapshot on a real pipeline: what comes in is the next snapshot, or nothing is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from apache_beam.testing import test_stream
from apache_beam.testing.test_pipeline import TestPipeline

from embed_pipeline import interrupt, snapshot
from embed_pipeline.admission import Tally
from embed_pipeline.commit import Target
from embed_pipeline.comparing import Copy
from embed_pipeline.errors import ConfigError, DatasetError, InterruptedJobError
from embed_pipeline.known import Source
from embed_pipeline.manifest import Refresh, read_manifest
from embed_pipeline.output import Output
from embed_pipeline.records import Document, Embedded, Failed
from embed_pipeline.snapshot import SnapshotTarget
from embed_pipeline.staging import Run
from embed_pipeline.store import Store
from embed_pipeline.transforms.embed import EmbedResult
from embed_pipeline.transforms.reuse import CompareResult
from embed_pipeline.transforms.write_snapshot import SnapshotInput, WriteSnapshot
from embed_pipeline.verify import verify
from tests.support.collecting import Collect, seen
from tests.support.marked import N, document, embedded, failed, rows_of
from tests.support.rows import RUN_ID, made_by
from tests.support.scripted import vector_of
from tests.support.snapshots import snapshot as published

UNREAD = Failed(None, None, None, "f", 4, "read", "UnreadableLine", "document", "no")


class Came(NamedTuple):
    """Hold what comes to the step: places of rows that stay, and records."""

    kept: Sequence[int] = ()
    copies: Sequence[Copy] = ()
    given_up: Sequence[Failed] = ()
    unread: Sequence[Failed] = ()
    twins: Sequence[Copy] = ()
    embedded: Sequence[Embedded] = ()
    failed: Sequence[Failed] = ()
    lost: int = 0


class Written(NamedTuple):
    """Hold a store, what the step told, and where it puts what."""

    store: Store
    folder: Path
    target: SnapshotTarget

    def __call__(self, came: Came) -> Refresh:
        """Write a snapshot of what came; return what was told."""
        out = self.folder / "told"
        with TestPipeline("FnApiRunner") as p:
            told = step_input(p, came) | WriteSnapshot(self.target)
            _ = told | beam.ParDo(Collect(out))
        (found,) = [one.value for one in seen(out)]
        assert isinstance(found, Refresh)
        return found

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """Return the current snapshot's rows by id; prove that it holds."""
        path = self.store.snapshot(self.store.number() or 0)
        manifest = read_manifest(path)
        assert verify(path, manifest).problems == []
        parts = snapshot.data_files(path, manifest.data, manifest.index)
        return {one["id"]: one for one in rows_of(parts)}


def step_input(start: beam.Pipeline, came: Came) -> SnapshotInput:
    """Return a step's input, made of literal records."""
    sent = len(came.embedded) + len(came.failed)
    kept = b"".join(place.to_bytes(8, "little") for place in came.kept)
    tally = Tally(
        documents=len(came.kept) + len(came.copies) + len(came.given_up) + sent
        + len(came.twins) + came.lost,
        todo=sent + len(came.twins) + came.lost, copies=len(came.copies), forgotten=0,
        failed=len(came.given_up), given_up=len(came.given_up),
        kept_documents=len(came.kept), ids=b"", kept=kept,
    )  # fmt: skip

    def some(name: str, *elements: Any) -> beam.PCollection:
        return start | name >> beam.Create(elements, reshuffle=False)

    compared = CompareResult(
        some("Todo"), some("Copies", *came.copies), some("Given up", *came.given_up),
        some("Tally", tally),
    )  # fmt: skip
    result = EmbedResult(
        some("Embedded", *came.embedded), some("Failed", *came.failed),
        some("Effort", {"documents": sent}), some("Provenance", made_by()),
        some("Recount", {}), some("Not split"), some("Statistics"),
    )  # fmt: skip
    return SnapshotInput(some("Unread", *came.unread), compared, some("Twins", *came.twins), result)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Return a step into a store whose snapshot has rows of the documents a, b and c."""
    store = Store(str(tmp_path / "store"))
    before = [embedded("a", "one"), embedded("b", "two"), embedded("c", "three")]
    manifest = published(store, 1, [before], attributes=N)
    parts = snapshot.data_files(store.snapshot(1), manifest.data, manifest.index)
    run = Run(store.snapshot(2), RUN_ID)
    job = {"tokens": {"on_too_long": "truncate"}, "output": manifest.job["output"]}
    output = Output.model_validate({"path": store.path, "max_failed_fraction": 1})
    target = Target(run, "2026-01-01T00:00:00+00:00", output, N, "error", job)
    sources = tuple(Source(part, 0) for part in parts)
    what = SnapshotTarget(store, 2, target, "night", 1, tuple(parts), sources, "id", 2)
    return Written(store, tmp_path, what)


def bare(identity: str, text: str, n: int = 1) -> Document:
    """Return a document as it comes with a copy: marked, and without its text."""
    return document(identity, text, {"n": n})._replace(text="")


def test_what_stays_what_is_copied_and_what_is_embedded_are_the_next_snapshot(
    written: Written,
) -> None:
    told = written(
        Came(
            kept=[0],
            copies=[Copy(bare("b", "two", 22), ((0, 1),)), Copy(bare("d", "three", 4), ((0, 2),))],
            twins=[Copy(bare("f", "new", 6), (), "e")],
            embedded=[embedded("e", "new", {"n": 5})],
        )
    )
    rows = written.rows
    assert {name: (one["text"], one["n"]) for name, one in rows.items()} == {
        "a": ("one", 1),
        "b": ("two", 22),
        "d": ("three", 4),
        "e": ("new", 5),
        "f": ("new", 6),
    }
    assert all(one["vector"] == vector_of(one["text"]).tolist() for one in rows.values())
    assert (told.snapshot, told.embedded, told.reused) == (2, 1, 4)
    assert (told.inserted, told.updated, told.relabeled, told.deleted) == (3, 0, 1, 1)


def test_the_twin_of_a_text_that_failed_fails_as_itself(written: Written) -> None:
    told = written(
        Came(
            kept=[0, 1, 2],
            twins=[Copy(bare("f", "bad", 6), (), "e")],
            failed=[failed("e", "bad")],
            given_up=[failed("g", "worse", stage="embed")],
            unread=[UNREAD],
        )
    )
    assert (told.rows, told.failed, set(written.rows)) == (3, 4, {"a", "b", "c"})
    path = written.store.snapshot(2)
    files = [f"{path}/{one.path}" for one in read_manifest(path).failures]
    found = {one["id"]: one for name in files for one in pq.read_table(name).to_pylist()}
    assert set(found) == {"e", "f", "g", None}
    assert (found["f"]["kind"], found["f"]["attributes"]) == ("UnembeddableText", '{"n":6}')


def test_where_everything_stays_nothing_is_published(written: Written) -> None:
    told = written(Came(kept=[0, 1, 2]))
    assert (told.published, told.snapshot, written.store.number()) == (False, 1, 1)
    assert written.store.numbers() == [1]
    (entry,) = written.store.entries()
    assert entry.model_dump_json() == told.model_dump_json()


def test_a_document_that_is_lost_on_the_way_stops_it(written: Written) -> None:
    with pytest.raises(DatasetError, match="1 are missing; nothing is published"):
        written(Came(kept=[0, 1], embedded=[embedded("c", "new")], lost=1))
    assert written.store.number() == 1


def test_a_row_that_is_lost_on_the_way_stops_it(written: Written) -> None:
    twin = Copy(bare("f", "never sent"), (), "e")
    with pytest.raises(DatasetError, match="nothing is published"):
        written(Came(kept=[0, 1, 2], twins=[twin], embedded=[embedded("e", "new")]))
    assert written.store.number() == 1


def test_once_a_stop_is_asked_for_nothing_is_published(written: Written) -> None:
    interrupt.request_stop(15)
    with pytest.raises(InterruptedJobError):
        written(Came(kept=[0], embedded=[embedded("e", "new")]))
    assert written.store.number() == 1


def test_a_stream_is_refused_at_construction(written: Written) -> None:
    p = beam.Pipeline(runner="FnApiRunner")
    came = step_input(p, Came())
    stream = (
        p
        | test_stream.TestStream()
        .add_elements([embedded("d", "four")])
        .advance_watermark_to_infinity()
    )
    result = came.embedded._replace(embedded=stream)
    with pytest.raises(ConfigError, match="WriteSnapshot got an unbounded PCollection"):
        _ = came._replace(embedded=result) | WriteSnapshot(written.target)
