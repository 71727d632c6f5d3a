"""Compare documents with a store, and embed or copy only what is new: the steps of a refresh."""

import pickle
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.pvalue import AsIter, AsSingleton, PCollection, TaggedOutput
from apache_beam.transforms.window import GlobalWindows
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.shared import Shared

from embed_pipeline import interrupt, marks
from embed_pipeline.admission import COUNTED, Gate, Tally, admit
from embed_pipeline.attributes import AttributeTypes
from embed_pipeline.comparing import Comparison, Copy
from embed_pipeline.known import Known, Source, read_marks
from embed_pipeline.lasting import Verdicts
from embed_pipeline.parts import PartFile
from embed_pipeline.progress import Progress, ProgressFile
from embed_pipeline.records import Document, Failed
from embed_pipeline.staging import Run, new_writer

COPIES, FAILED, TALLY, TWINS = "copies", "failed", "tally", "twins"
AT_ONCE = 1_000  # documents that are compared at once


class ComparedWith(NamedTuple):
    """Say what documents are compared with.

    Attributes:
        run: The run, whose progress is told.
        sources: The files of rows that may be reused.
        before: The files of the current snapshot's rows, whether they may be reused or not.
        failures: Paths of the current snapshot's files of failures, if its verdicts hold.
        left: Paths of those that refreshes that stopped have left.
        types: The attributes' types, those of pieces left out.
        forgotten: Hashes of the ids that are left out.
        split: Whether documents are split into pieces.
        again: Whether what failed at the endpoint is to be sent again.
    """

    run: Run
    sources: tuple[Source, ...]
    before: tuple[PartFile, ...]
    failures: tuple[str, ...]
    left: tuple[str, ...]
    types: AttributeTypes
    forgotten: frozenset[bytes]
    split: bool
    again: bool = False


class CompareResult(NamedTuple):
    """Hold what CompareDocuments returns.

    Attributes:
        todo: PCollection of (bytes, bytes): the text's hash, and the pickled document that is to
            be embedded.
        copies: PCollection of Copy.
        failed: PCollection of Failed; of last time, and what is found without asking.
        tally: PCollection of Tally, one a bundle.
    """

    todo: PCollection
    copies: PCollection
    failed: PCollection
    tally: PCollection


@dataclass
class CompareDocuments(beam.PTransform):
    """Compare each document with a store; wires `comparing.Comparison`.

    Takes a PCollection of Document. Documents whose rows stay go no further than this.

    Args:
        store: What they are compared with.
    """

    store: ComparedWith

    def __post_init__(self) -> None:
        """Be a PTransform."""
        super().__init__()

    @no_annotations  # Beam takes annotations of PCollections only
    def expand(self, documents: PCollection) -> CompareResult:
        """Add the steps."""
        found = documents | "Compare" >> beam.ParDo(_Compare(self.store)).with_outputs(
            COPIES, FAILED, TALLY, main="todo"
        )
        return CompareResult(found["todo"], found[COPIES], found[FAILED], found[TALLY])


@beam.typehints.with_input_types(Document)
@beam.typehints.with_output_types(tuple[bytes, bytes], copies=Any, failed=Failed, tally=Any)
class _Compare(beam.DoFn):
    """Compare documents, AT_ONCE of them together."""

    def __init__(self, store: ComparedWith) -> None:
        super().__init__()
        self._store = store
        self._shared = Shared()  # among the copies of the step in a process: it is large

    def setup(self) -> None:
        self._comparison = self._shared.acquire(self._loaded)

    def _loaded(self) -> Comparison:
        store = self._store
        known = Known(store.sources, split=store.split)
        verdicts = Verdicts(store.failures, store.left, split=store.split, again=store.again)
        return Comparison(known, verdicts, store.types, store.forgotten, split=store.split)

    def start_bundle(self) -> None:
        self._waiting: list[Document] = []
        self._counts = dict.fromkeys(COUNTED, 0)
        self._ids: list[bytes] = []
        self._kept: list[bytes] = []
        self._progress = ProgressFile(self._store.run, new_writer())
        self._rows = 0

    @no_annotations
    def process(self, document: Document) -> Iterable[Any]:
        self._waiting.append(document)
        return self._compared() if len(self._waiting) >= AT_ONCE else ()

    @no_annotations
    def finish_bundle(self) -> Iterator[Any]:
        for one in self._compared():
            yield (
                GlobalWindows.windowed_value(one)
                if not isinstance(one, TaggedOutput)
                else TaggedOutput(one.tag, GlobalWindows.windowed_value(one.value))
            )
        if self._counts["documents"]:
            tally = Tally(ids=b"".join(self._ids), kept=b"".join(self._kept), **self._counts)
            yield TaggedOutput(TALLY, GlobalWindows.windowed_value(tally))
            self._progress.write(Progress(self._rows))

    def _compared(self) -> list[Any]:
        """Compare what waits."""
        waiting, self._waiting = self._waiting, []
        found = self._comparison.compare(waiting)
        counts = self._counts
        counts["documents"] += len(waiting)
        counts["todo"] += len(found.todo)
        counts["copies"] += len(found.copies)
        counts["failed"] += len(found.failed)
        counts["forgotten"] += found.forgotten
        counts["given_up"] += found.given_up
        counts["kept_documents"] += found.kept_documents
        self._ids.append(found.ids)
        self._kept.append(found.kept.astype("<i8").tobytes())
        self._rows += len(found.kept)
        return [
            *((marks.text_of(one.mark), pickle.dumps(tuple(one), 5)) for one in found.todo),
            *(TaggedOutput(COPIES, one) for one in found.copies),
            *(TaggedOutput(FAILED, one) for one in found.failed),
        ]


@dataclass
class Admit(beam.PTransform):
    """Let a refresh go on once nothing speaks against it; wires `admission.admit`.

    Takes a PCollection of Tally; returns one of one dict, the provenance of the new snapshot.

    Args:
        gate: What is asked.
        before: The files of the current snapshot's rows.
    """

    gate: Gate
    before: tuple[PartFile, ...]

    def __post_init__(self) -> None:
        """Be a PTransform."""
        super().__init__()

    @no_annotations  # Beam takes annotations of PCollections only
    def expand(self, tally: PCollection) -> PCollection:
        """Add the steps."""
        return (
            tally.pipeline
            | "Gate" >> beam.Create([self.gate], reshuffle=False)
            | "Admit" >> beam.Map(_admitted, AsIter(tally), self.before)
        )


def _admitted(gate: Gate, tallies: Iterable[Tally], before: tuple[PartFile, ...]) -> dict[str, Any]:
    ids = [read_marks(part)[:, :2] for part in before]
    return admit(gate, list(tallies), np.concatenate([np.empty((0, 2), np.uint64), *ids]))


class FoldResult(NamedTuple):
    """Hold what FoldTexts returns.

    Attributes:
        documents: PCollection of Document, one for each text.
        twins: PCollection of Copy, the other documents with these texts.
    """

    documents: PCollection
    twins: PCollection


@dataclass
class FoldTexts(beam.PTransform):
    """Take each text once; the other documents that have it get a copy of its vector.

    Takes a PCollection of (bytes, bytes) as CompareDocuments returns it. Only these documents are
    shuffled. None goes on before the provenance is there, and none once a stop was asked for.

    Args:
        admitted: PCollection of one dict, what Admit returns.
    """

    admitted: PCollection

    def __post_init__(self) -> None:
        """Be a PTransform."""
        super().__init__()

    @no_annotations  # Beam takes annotations of PCollections only
    def expand(self, todo: PCollection) -> FoldResult:
        """Add the steps."""
        found = (
            todo
            | "Same text" >> beam.GroupByKey()
            | "Take one"
            >> beam.FlatMap(_folded, AsSingleton(self.admitted))
            .with_output_types(Document)
            .with_outputs(TWINS, main="documents")
        )
        return FoldResult(found["documents"], found[TWINS])


@no_annotations
def _folded(
    same: tuple[bytes, Iterable[bytes]], _admitted: Mapping[str, Any]
) -> Iterator[Document | TaggedOutput]:
    if interrupt.stop_requested():
        return
    first: Document | None = None
    for content in same[1]:
        document = Document(*pickle.loads(content))  # noqa: S301 (written by this very job)
        if first is None:
            first = document
            yield document
        else:
            yield TaggedOutput(TWINS, Copy(document._replace(text=""), (), first.id))
