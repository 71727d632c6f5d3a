"""Write a bundle's rows and failures into part files."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput
from apache_beam.transforms.window import GlobalWindows
from apache_beam.typehints.decorators import no_annotations
from apache_beam.utils.windowed_value import WindowedValue

from embed_pipeline import heartbeat
from embed_pipeline.commit import Target
from embed_pipeline.errors import ConfigError
from embed_pipeline.failure_parts import FailureWriter
from embed_pipeline.parts import PartFile, RowWriter
from embed_pipeline.records import Embedded, Failed
from embed_pipeline.transforms.lineage import apart

FAILED = "failed"


@beam.typehints.with_output_types(PartFile, failed=Failed)
class WriteRows(beam.DoFn):
    """Write a bundle's rows into part files; wires `parts.RowWriter`.

    A bundle that fails has no end: what it has written is made whole as the step is torn down, for
    a later run. It is not among the parts of this one. From the start of a bundle to its end the
    process tells how its endpoints are: on most runners the same bundle embeds.
    """

    def __init__(self, target: Target) -> None:
        super().__init__()
        self._target = target
        self._writer: RowWriter | None = None
        self._beats = False

    def start_bundle(self) -> None:
        """Start without a file."""
        self._writer = None
        if not self._beats:
            heartbeat.start(self._target.run)
            self._beats = True

    @no_annotations
    def process(
        self, row: Embedded, provenance: dict[str, Any]
    ) -> Iterable[PartFile | TaggedOutput]:
        """Take a row; return the file this completes, and rows that do not fit as failures."""
        if self._writer is None:
            layout = self._target.layout(provenance)
            self._writer = RowWriter(self._target.run, layout, provenance)
        return [_tagged(one) for one in self._writer.add(row)]

    @no_annotations
    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput]:
        """Close the last file."""
        writer, self._writer = self._writer, None
        for one in writer.close() if writer else ():
            yield _tagged(one, windowed=True)
        self._stop_beating()

    def teardown(self) -> None:
        """Keep what a bundle that failed has written."""
        _keep(self._writer)
        self._stop_beating()

    def _stop_beating(self) -> None:
        if self._beats:
            self._beats = False
            heartbeat.stop(self._target.run)


def _tagged(one: PartFile | Failed, *, windowed: bool = False) -> Any:
    """Send failures to their own output."""
    value = GlobalWindows.windowed_value(one) if windowed else one
    return TaggedOutput(FAILED, value) if isinstance(one, Failed) else value


@beam.typehints.with_output_types(PartFile)
class WriteFailures(beam.DoFn):
    """Write a bundle's failures into part files, as WriteRows does its rows."""

    def __init__(self, target: Target) -> None:
        super().__init__()
        self._run = target.run
        self._seconds = target.output.checkpoint_seconds
        self._writer: FailureWriter | None = None

    def start_bundle(self) -> None:
        """Start without a file."""
        self._writer = FailureWriter(self._run, self._seconds)

    def process(self, failure: Failed) -> Iterable[PartFile]:
        """Take a failure; return the file this completes."""
        return self._writer.add(failure) if self._writer else ()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Close the last file."""
        writer, self._writer = self._writer, None
        for part in writer.close() if writer else ():
            yield GlobalWindows.windowed_value(part)

    def teardown(self) -> None:
        """Keep what a bundle that failed has written."""
        _keep(self._writer)


class WriteFailed(beam.PTransform):
    """Write failures into part files, each PCollection that was flattened into theirs on its own.

    The local runner holds a flattened one back until the steps before it have ended, so failures
    that were written from there would all be lost when a job is killed.

    Args:
        target: What the run is to become.
    """

    def __init__(self, target: Target) -> None:
        super().__init__()
        self._target = target

    def expand(self, failed: PCollection) -> PCollection:
        """Add the steps."""
        parts = [
            one
            | f"Into one window {number}" >> InGlobalWindow()
            | f"Write {number}" >> beam.ParDo(WriteFailures(self._target))
            for number, one in enumerate(apart(failed))
        ]
        return parts | "All parts" >> beam.Flatten()


def check_bounded(rows: PCollection, step: str) -> None:
    """Refuse rows that never end: a dataset is committed once the last one is written.

    Raises:
        ConfigError: They are an unbounded PCollection.
    """
    if not rows.is_bounded:
        raise ConfigError(
            f"{step} got an unbounded PCollection, of a streaming source: it commits when the last "
            "row is written, and here there is none; write the rows with a streaming sink "
            "(EmbedText keeps windows and timestamps), or read the source up to an end"
        )


class InGlobalWindow(beam.PTransform):
    """Put a PCollection into the global window, at no cost where it is there already."""

    def expand(self, elements: PCollection) -> PCollection:
        """Add the step."""
        if elements.windowing.is_default():
            return elements
        return elements | "Into one window" >> beam.WindowInto(GlobalWindows())


def _keep(writer: RowWriter | FailureWriter | None) -> None:
    """Close what a failed bundle has left open; why it failed is told, not what this meets."""
    if writer is not None:
        with suppress(Exception):
            writer.close()
