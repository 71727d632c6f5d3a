"""Write a dataset: `docs | EmbedText(endpoint) | WriteDataset("out/")`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsIter, AsSingleton, PCollection, TaggedOutput
from apache_beam.transforms.window import GlobalWindows
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.windowed_value import WindowedValue

from embed_pipeline import commit
from embed_pipeline.attributes import AttributeTypes, check_names
from embed_pipeline.commit import Merged, MergeTask, Target
from embed_pipeline.errors import ConfigError
from embed_pipeline.failure_parts import FailureWriter
from embed_pipeline.manifest import Manifest
from embed_pipeline.outcomes import added_up
from embed_pipeline.output import Output
from embed_pipeline.ownership import check_free
from embed_pipeline.parts import PartFile, RowWriter, Written
from embed_pipeline.records import Embedded, Failed
from embed_pipeline.recount import Recount
from embed_pipeline.staging import Run, new_run
from embed_pipeline.transforms.embed import EmbedResult

FAILED = "failed"
POLICIES = ("error", "first", "last")


@dataclass
class WriteDataset(beam.PTransform):
    """Write what EmbedText returns as one committed dataset; wires `parts` and `commit`.

    The manifest is written last: until then there is no dataset. Every document that came in is a
    row or a failure, or nothing is published. Returns a PCollection of one Manifest.

    Args:
        output: The dataset's folder, or all settings of the output.
        attributes: Names and types of the attribute columns; None: one column `attributes` of
            JSON objects, since one schema must hold before the first row.
        on_duplicate: "error", "first" or "last": what becomes of ids that stand twice.
        job: What the manifest tells of the job; no secrets.
        run: The run, where the caller watches it.
        expected: What was planned for this job, for the manifest; see `commit.Target`.

    Raises:
        ConfigError: There is a dataset already and `on_exists` is "error", or an argument is wrong.
    """

    output: str | Output
    attributes: AttributeTypes | None = None
    on_duplicate: str = "error"
    job: Mapping[str, Any] = field(default_factory=dict)
    run: Run | None = None
    expected: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work, before anything runs."""
        super().__init__()
        if self.on_duplicate not in POLICIES:
            raise ConfigError(f"on_duplicate is '{self.on_duplicate}': use one of {POLICIES}")
        output = Output(path=self.output) if isinstance(self.output, str) else self.output
        check_names(self.attributes or {}, output.taken)
        check_free(output)
        self.target = Target(
            self.run or new_run(output.path),
            commit.now(),
            output,
            self.attributes,
            self.on_duplicate,
            {"output": output.model_dump(mode="json"), **self.job},
            self.expected,
        )

    @no_annotations  # Beam takes annotations of PCollections only
    def expand(self, result: EmbedResult) -> PCollection:
        """Add the steps."""
        provenance = AsSingleton(result.provenance)
        rows = result.embedded | "Rows" >> _InGlobalWindow()
        written = rows | "Write rows" >> beam.ParDo(
            _WriteRows(self.target), provenance
        ).with_outputs(FAILED, main="parts")
        failed = (
            result.failed | "Failures" >> _InGlobalWindow(),
            written[FAILED],
        ) | "All failures" >> beam.Flatten()
        failures = failed | "Write failures" >> beam.ParDo(_WriteFailures(self.target.run))
        return (
            beam.pvalue.PBegin(rows.pipeline)
            | "Target" >> beam.Create([self.target], reshuffle=False)
            | "Gather"
            >> beam.Map(
                _gathered,
                provenance=provenance,
                tally=AsIter(result.tally | "Tally" >> _InGlobalWindow()),
                chunked=AsIter(result.chunked | "Chunked" >> _InGlobalWindow()),
                parts=AsIter(written["parts"]),
                failures=AsIter(failures),
                recount=AsSingleton(result.recount),
            )
            | "Commit" >> Commit()
        )


class Commit(beam.PTransform):
    """Make a dataset of what was written; wires `commit.plan`, `commit.merge`, `commit.publish`.

    Takes a PCollection of one (Target, Written), returns one of one Manifest. Merges run in
    parallel, each with one row group in memory.
    """

    def expand(self, gathered: PCollection) -> PCollection:
        """Add the steps."""
        merged = (
            gathered
            | "Plan" >> beam.FlatMap(_planned)
            | "Spread" >> beam.Reshuffle()
            | "Merge" >> beam.MapTuple(commit.merge)
        )
        return gathered | "Publish" >> beam.Map(_published, AsIter(merged))


class _InGlobalWindow(beam.PTransform):
    """Put a PCollection into the global window, at no cost where it is there already."""

    def expand(self, elements: PCollection) -> PCollection:
        if elements.windowing.is_default():
            return elements
        return elements | "Into one window" >> beam.WindowInto(GlobalWindows())


@beam.typehints.with_output_types(PartFile, failed=Failed)
class _WriteRows(beam.DoFn):
    """Write a bundle's rows into part files; wires `parts.RowWriter`."""

    def __init__(self, target: Target) -> None:
        super().__init__()
        self._target = target

    def start_bundle(self) -> None:
        self._writer: RowWriter | None = None

    @no_annotations
    def process(
        self, row: Embedded, provenance: dict[str, Any]
    ) -> Iterable[PartFile | TaggedOutput]:
        if self._writer is None:
            layout = self._target.layout(provenance)
            self._writer = RowWriter(self._target.run, layout, provenance)
        return [_tagged(one) for one in self._writer.add(row)]

    @no_annotations
    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput]:
        for one in self._writer.close() if self._writer else ():
            yield _tagged(one, windowed=True)


def _tagged(one: PartFile | Failed, *, windowed: bool = False) -> Any:
    """Send failures to their own output."""
    value = GlobalWindows.windowed_value(one) if windowed else one
    return TaggedOutput(FAILED, value) if isinstance(one, Failed) else value


@beam.typehints.with_output_types(PartFile)
class _WriteFailures(beam.DoFn):
    """Write a bundle's failures into part files; wires `parts.FailureWriter`."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def start_bundle(self) -> None:
        self._writer = FailureWriter(self._run)

    def process(self, failure: Failed) -> Iterable[PartFile]:
        return self._writer.add(failure)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for part in self._writer.close():
            yield GlobalWindows.windowed_value(part)


def _gathered(
    target: Target,
    *,
    provenance: dict[str, Any],
    tally: Iterable[Mapping[str, float]],
    chunked: Iterable[int],
    parts: Iterable[PartFile],
    failures: Iterable[PartFile],
    recount: Recount,
) -> tuple[Target, Written]:
    """Bring together what the bundles wrote, once all of them have ended."""
    failed = list(failures)
    unread = sum(part.unread for part in failed)
    effort = added_up(tally)
    documents = int(effort.pop("documents", 0)) + unread
    return target, Written(
        provenance, documents, list(parts), failed, recount, sum(chunked) or None, effort
    )


def _planned(
    gathered: tuple[Target, Written],
) -> list[tuple[Target, Mapping[str, Any], MergeTask]]:
    target, written = gathered
    return [(target, written.provenance, task) for task in commit.plan(target, written)]


def _published(gathered: tuple[Target, Written], merged: Iterable[Merged]) -> Manifest:
    target, written = gathered
    return commit.publish(target, written, merged)
