"""Write a snapshot: what stays, what is copied and what was embedded become the store's newest."""

import pickle
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.pvalue import AsIter, AsSingleton, PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from embed_pipeline import assembly, drafting, publication, snapshot, twins
from embed_pipeline.admission import COUNTED, Tally
from embed_pipeline.assembly import Made, Task
from embed_pipeline.comparing import Copy
from embed_pipeline.copying import Wanted, copy_rows
from embed_pipeline.errors import DatasetError
from embed_pipeline.known import offsets
from embed_pipeline.manifest import Refresh
from embed_pipeline.outcomes import added_up
from embed_pipeline.parts import PartFile
from embed_pipeline.records import Failed
from embed_pipeline.recount import Recount
from embed_pipeline.snapshot import Outcome, SnapshotTarget
from embed_pipeline.transforms.embed import EmbedResult
from embed_pipeline.transforms.reuse import CompareResult
from embed_pipeline.transforms.write_parts import FAILED, WriteFailed, WriteRows, check_bounded

TALLY = "tally"


class SnapshotInput(NamedTuple):
    """Hold what a snapshot is made of.

    Attributes:
        unread: PCollection of Failed, of reading.
        compared: What comparing has found.
        twins: PCollection of Copy, of documents whose text is embedded for another one.
        embedded: What embedding has made, of one document for each text.
    """

    unread: PCollection
    compared: CompareResult
    twins: PCollection
    embedded: EmbedResult


@dataclass
class WriteSnapshot(beam.PTransform):
    """Write a snapshot and make it the current one; wires `copying`, `assembly` and `publication`.

    Nothing is seen of it until it is whole. Every document is a row, a failure or forgotten, or
    nothing is published. Returns a PCollection of one Refresh.

    Args:
        target: What it is to become.

    Raises:
        ConfigError: The input is unbounded.
    """

    target: SnapshotTarget

    def __post_init__(self) -> None:
        """Be a PTransform."""
        super().__init__()

    @no_annotations  # Beam takes annotations of PCollections only
    def expand(self, found: SnapshotInput) -> PCollection:
        """Add the steps."""
        target, result = self.target.target, found.embedded
        check_bounded(result.embedded, "WriteSnapshot")
        provenance = AsSingleton(result.provenance)
        written = result.embedded | "Write rows" >> beam.ParDo(
            WriteRows(target), provenance
        ).with_outputs(FAILED, main="parts")
        unread = found.unread | "Unread" >> WriteFailed(target)
        early = found.compared.failed | "Given up" >> WriteFailed(target)
        failed = result.failed | "Failed" >> WriteFailed(target)
        late = written[FAILED] | "Unwritten" >> WriteFailed(target)
        copies = (found.compared.copies, found.twins) | "All copies" >> beam.Flatten()
        located = copies | "Locate" >> beam.ParDo(
            _Locate(self.target), AsIter(written["parts"]), AsIter(failed)
        ).with_outputs(FAILED, TALLY, main="rows")
        copied = (
            located["rows"]
            | "By file" >> beam.GroupByKey()
            | "Copy" >> beam.FlatMap(_copied, provenance, self.target)
        )
        uncopied = located[FAILED] | "Uncopied" >> WriteFailed(target)
        gathered = (
            result.provenance.pipeline
            | "Target" >> beam.Create([self.target], reshuffle=False)
            | "Gather"
            >> beam.Map(
                _gathered,
                provenance=provenance,
                tallies=AsIter(found.compared.tally),
                effort=AsIter(result.tally),
                chunked=AsIter(result.chunked),
                recount=AsSingleton(result.recount),
                embedded=AsIter(written["parts"]),
                copied=AsIter(copied),
                located=AsIter(located[TALLY]),
                unread=AsIter(unread),
                failed=AsIter(failed),
                others=AsIter((early, late, uncopied) | "Other failures" >> beam.Flatten()),
                statistics=AsIter(result.statistics),
            )
        )
        made = (
            gathered
            | "Plan" >> beam.FlatMap(_planned)
            | "Spread" >> beam.Reshuffle()
            | "Merge" >> beam.MapTuple(assembly.merge)
        )
        return gathered | "Publish" >> beam.Map(_published, AsIter(made))


@beam.typehints.with_output_types(tuple[str, bytes], failed=Failed, tally=Any)
class _Locate(beam.DoFn):
    """Find the rows a document gets a copy of, once the last text is embedded."""

    def __init__(self, target: SnapshotTarget) -> None:
        super().__init__()
        self._target = target

    def start_bundle(self) -> None:
        self._twins: twins.Twins | None = None

    @no_annotations
    def process(
        self, copy: Copy, parts: Iterable[PartFile], failures: Iterable[PartFile]
    ) -> Iterator[Any]:
        sources = self._target.sources
        rows = [(sources[source].part.path, number) for source, number in copy.rows]
        failed: list[Failed] = []
        if copy.twin:
            if self._twins is None:
                split = _splits(self._target)
                self._twins = twins.Twins(list(parts), list(failures), split=split)
            rows, failed = self._twins.find(copy)
        for path, number in rows:
            yield path, pickle.dumps((number, tuple(copy.document)), 5)
        for one in failed:
            yield TaggedOutput(FAILED, one)
        yield TaggedOutput(TALLY, max(1, len(rows) + len(failed)))


def _copied(
    same: tuple[str, Iterable[bytes]], provenance: Mapping[str, Any], target: SnapshotTarget
) -> list[PartFile]:
    path, contents = same
    wanted = [Wanted.restored(pickle.loads(one)) for one in contents]  # noqa: S301 (our own)
    for part in target.before:
        if part.path == path:
            snapshot.check_bytes(part)
    layout = target.target.layout(provenance)
    return copy_rows(target.target.run, layout, provenance, path, wanted)


def _gathered(
    target: SnapshotTarget,
    *,
    provenance: dict[str, Any],
    tallies: Iterable[Tally],
    effort: Iterable[Mapping[str, float]],
    chunked: Iterable[int],
    recount: Recount,
    embedded: Iterable[PartFile],
    copied: Iterable[PartFile],
    located: Iterable[int],
    unread: Iterable[PartFile],
    failed: Iterable[PartFile],
    others: Iterable[PartFile],
    statistics: Iterable[bytes],
) -> tuple[SnapshotTarget, Outcome]:
    """Bring together what the bundles wrote, once all of them have ended."""
    every, moved = list(tallies), list(located)
    totals = added_up(effort)
    sent, split = int(totals.pop("documents", 0)), sum(chunked)
    unread_parts, failed_parts = list(unread), list(failed)
    _check_passed_on(every, len(moved), split or sent)
    kept = np.frombuffer(b"".join(one.kept for one in every), "<i8")
    rows = len(kept) + sent + sum(moved) + sum(one.failed for one in every)
    never_sent = sum(part.unread for part in failed_parts)
    documents = split + len(moved) + sum(one.kept_documents for one in every)
    return target, Outcome(
        provenance=provenance,
        kept=offsets(target.sources).numbers(kept),
        embedded=list(embedded),
        copied=list(copied),
        failures=[*unread_parts, *failed_parts, *others],
        expected=rows + never_sent + sum(part.rows for part in unread_parts),
        recount=recount,
        chunked=documents if _splits(target) else None,
        effort=totals,
        forgotten=sum(one.forgotten for one in every),
        report=drafting.draft(statistics, target.target.output, provenance),
    )


def _splits(target: SnapshotTarget) -> bool:
    """Tell whether documents are split, so that rows are of pieces."""
    return bool(target.target.job["tokens"]["on_too_long"] == "chunk")


def _check_passed_on(tallies: list[Tally], copies: int, sent: int) -> None:
    """Prove that every document that was compared has gone one way, and arrived there.

    Raises:
        DatasetError: One has not.
    """
    total = {name: sum(getattr(one, name) for one in tallies) for name in COUNTED}
    ways = ("kept_documents", "todo", "copies", "forgotten", "given_up")
    twins_there = copies - total["copies"]
    lost = total["documents"] - sum(total[way] for way in ways)
    lost += total["todo"] - twins_there - sent
    if lost:
        raise DatasetError(
            f"{total['documents']} documents were compared, {total['todo']} of them were to be "
            f"embedded, but {sent} came to that and {twins_there} are copies: {lost} are missing; "
            "nothing is published; please report this"
        )


def _planned(
    gathered: tuple[SnapshotTarget, Outcome],
) -> list[tuple[SnapshotTarget, Mapping[str, Any], Task]]:
    target, outcome = gathered
    return [(target, outcome.provenance, task) for task in assembly.plan(target, outcome)]


def _published(gathered: tuple[SnapshotTarget, Outcome], made: Iterable[Made]) -> Refresh:
    target, outcome = gathered
    return publication.publish(target, outcome, made)
