"""Try a dataset's failures again: `p | ReadFailures(...) | EmbedText(...) | AmendDataset(...)`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsIter, AsSingleton, PBegin, PCollection, TaggedOutput
from apache_beam.typehints.decorators import no_annotations

from embed_pipeline import amend, files, interrupt
from embed_pipeline.amend import Amendment
from embed_pipeline.attributes import AttributeTypes
from embed_pipeline.made_with import check_same_engine
from embed_pipeline.manifest import Manifest
from embed_pipeline.outcomes import added_up
from embed_pipeline.parts import PartFile, Written
from embed_pipeline.records import Document, Failed
from embed_pipeline.recount import Recount
from embed_pipeline.retriable import is_retriable, read_failures, restored
from embed_pipeline.transforms.embed import EmbedResult
from embed_pipeline.transforms.read import ReadResult
from embed_pipeline.transforms.write_parts import WriteFailures, WriteRows

FAILED = "failed"


@dataclass
class ReadFailures(beam.PTransform):
    """Read a dataset's failures; wires `read_failures`, `is_retriable` and `restored`.

    Returns a ReadResult: the documents that may be embedded yet, and the failures that stay.

    Args:
        amendment: The dataset.
    """

    amendment: Amendment

    def __post_init__(self) -> None:
        """Be a PTransform."""
        super().__init__()

    @no_annotations  # Beam takes annotations of PCollections only
    def expand(self, pbegin: PBegin) -> ReadResult:
        """Add the steps."""
        run, target, manifest = self.amendment
        paths = [files.join(run.path, file.path) for file in manifest.failures]
        found = (
            pbegin
            | "Files" >> beam.Create(paths, reshuffle=False)
            | "Read"
            >> beam.FlatMap(_read, target.attributes)
            .with_output_types(Document, failed=Failed)
            .with_outputs(FAILED, main="documents")
        )
        return ReadResult(found["documents"], found[FAILED])


@dataclass
class AmendDataset(beam.PTransform):
    """Add to a dataset what EmbedText returns; wires `write_parts` and `amend.publish`.

    Takes an EmbedResult of all the dataset's failures, returns a PCollection of one Manifest.

    Args:
        amendment: The dataset, and the run that was claimed for it.
    """

    amendment: Amendment

    def __post_init__(self) -> None:
        """Be a PTransform."""
        super().__init__()

    @no_annotations
    def expand(self, result: EmbedResult) -> PCollection:
        """Add the steps."""
        run, target, manifest = self.amendment
        staged = target._replace(run=run)
        written = result.embedded | "Write rows" >> beam.ParDo(
            WriteRows(staged), dict(manifest.provenance)
        ).with_outputs(FAILED, main="parts")
        failures = (
            (result.failed, written[FAILED])
            | "All failures" >> beam.Flatten()
            | "Write failures" >> beam.ParDo(WriteFailures(staged))
        )
        return (
            result.embedded.pipeline
            | "Amendment" >> beam.Create([self.amendment], reshuffle=False)
            | "Publish"
            >> beam.Map(
                _published,
                provenance=AsSingleton(result.provenance),
                tally=AsIter(result.tally),
                parts=AsIter(written["parts"]),
                failures=AsIter(failures),
                recount=AsSingleton(result.recount),
            )
        )


def _read(path: str, types: AttributeTypes | None) -> Iterator[Any]:
    for failure in read_failures(path):
        if interrupt.stop_requested():
            return
        again = is_retriable(failure)
        yield restored(failure, types) if again else TaggedOutput(FAILED, failure)


def _published(
    amendment: Amendment,
    *,
    provenance: dict[str, Any],
    tally: Iterable[Mapping[str, float]],
    parts: Iterable[PartFile],
    failures: Iterable[PartFile],
    recount: Recount,
) -> Manifest:
    """Commit what was written, if the engine is still that of the dataset."""
    check_same_engine(amendment.manifest.provenance, provenance)
    effort = added_up(tally)
    tried = int(effort.pop("documents", 0))
    written = Written(provenance, tried, list(parts), list(failures), recount, effort=effort)
    return amend.publish(amendment, written)
