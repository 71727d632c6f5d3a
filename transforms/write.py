"""Write a dataset: `docs | EmbedText(endpoint) | WriteDataset("out/")`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsIter, AsSingleton, PCollection
from apache_beam.typehints.decorators import no_annotations

from embed_pipeline import commit, drafting
from embed_pipeline.attributes import AttributeTypes, check_names
from embed_pipeline.coloring import check_color
from embed_pipeline.commit import Merged, MergeTask, Target
from embed_pipeline.errors import ConfigError
from embed_pipeline.manifest import Manifest
from embed_pipeline.outcomes import added_up
from embed_pipeline.output import Output
from embed_pipeline.ownership import check_free
from embed_pipeline.parts import PartFile, Written
from embed_pipeline.recount import Recount
from embed_pipeline.resume import Reused
from embed_pipeline.staging import Run, new_run
from embed_pipeline.transforms.embed import EmbedResult
from embed_pipeline.transforms.lineage import applied
from embed_pipeline.transforms.write_parts import (
    FAILED,
    InGlobalWindow,
    WriteFailed,
    WriteRows,
    check_bounded,
)

POLICIES = ("error", "first", "last")


@dataclass
class WriteDataset(beam.PTransform):
    """Write what EmbedText returns as one committed dataset; wires `parts` and `commit`.

    The manifest is written after all rows and failures: until then there is no dataset. Every
    document that came in is a row or a failure, or nothing is published. Returns a PCollection of
    one Manifest.

    Args:
        output: The dataset's folder, or all settings of the output.
        attributes: Names and types of the attribute columns; None: one column `attributes` of
            JSON objects, since one schema must hold before the first row.
        on_duplicate: "error", "first" or "last": what becomes of ids that stand twice.
        job: What the manifest tells of the job; no secrets.
        run: The run, where the caller watches it.
        expected: What was planned for this job, for the manifest; see `commit.Target`.
        reused: What is taken from earlier runs, where `SkipDone` has left that out.
        provenance: What makes the vectors, where the caller knows it: as a side input it keeps
            Flink and Spark from embedding and writing in one step.

    Raises:
        ConfigError: There is a dataset already and `on_exists` is "error", an argument is wrong,
            the input is unbounded, or another step of the pipeline writes to the folder.
    """

    output: str | Output
    attributes: AttributeTypes | None = None
    on_duplicate: str = "error"
    job: Mapping[str, Any] = field(default_factory=dict)
    run: Run | None = None
    expected: Mapping[str, float] | None = None
    reused: Reused | None = None
    provenance: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work, before anything runs."""
        super().__init__()
        if self.on_duplicate not in POLICIES:
            raise ConfigError(f"on_duplicate is '{self.on_duplicate}': use one of {POLICIES}")
        output = Output(path=self.output) if isinstance(self.output, str) else self.output
        check_names(self.attributes or {}, output.taken)
        if self.attributes is not None:
            check_color(output.report_color, self.attributes)
        check_free(output)
        self.target = Target(
            self.run or new_run(output.path),
            commit.now(),
            output,
            self.attributes,
            self.on_duplicate,
            {"output": output.model_dump(mode="json"), **self.job},
            self.expected,
            self.reused.runs if self.reused else (),
        )

    @no_annotations  # Beam takes annotations of PCollections only
    def expand(self, result: EmbedResult) -> PCollection:
        """Add the steps."""
        check_bounded(result.embedded, "WriteDataset")
        self._check_alone(result.embedded.pipeline)
        provenance = AsSingleton(result.provenance)
        rows = result.embedded | "Rows" >> InGlobalWindow()
        written = rows | "Write rows" >> beam.ParDo(
            WriteRows(self.target), self.provenance or provenance
        ).with_outputs(FAILED, main="parts")
        failures = (
            result.failed | "Failures" >> WriteFailed(self.target),
            written[FAILED] | "Unwritten" >> WriteFailed(self.target),
        )
        return (
            beam.pvalue.PBegin(rows.pipeline)
            | "Target" >> beam.Create([self.target], reshuffle=False)
            | "Gather"
            >> beam.Map(
                _gathered,
                provenance=provenance,
                tally=AsIter(result.tally | "Tally" >> InGlobalWindow()),
                chunked=AsIter(result.chunked | "Chunked" >> InGlobalWindow()),
                parts=AsIter(written["parts"]),
                failures=AsIter(failures | "All failures" >> beam.Flatten()),
                recount=AsSingleton(result.recount),
                reused=self.reused.parts if self.reused else (),
                statistics=AsIter(result.statistics | "Statistics" >> InGlobalWindow()),
            )
            | "Commit" >> Commit()
        )

    def _check_alone(self, pipeline: beam.Pipeline) -> None:
        """Refuse a folder that another step of the pipeline writes: the last one would stay."""
        path = self.target.output.path.rstrip("/")
        for other in applied(pipeline, WriteDataset):
            if other is not self and other.target.output.path.rstrip("/") == path:
                raise ConfigError(
                    f"another WriteDataset of this pipeline writes to {path}: choose another "
                    "folder, or give one of them all rows"
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


def _gathered(
    target: Target,
    *,
    provenance: dict[str, Any],
    tally: Iterable[Mapping[str, float]],
    chunked: Iterable[int],
    parts: Iterable[PartFile],
    failures: Iterable[PartFile],
    recount: Recount,
    reused: tuple[PartFile, ...],
    statistics: Iterable[bytes],
) -> tuple[Target, Written]:
    """Bring together what the bundles wrote, once all of them have ended."""
    failed = list(failures)
    unread = sum(part.unread for part in failed)
    effort = added_up(tally)
    documents = int(effort.pop("documents", 0)) + unread
    repeated = int(effort.get("reused", 0)) - sum(part.rows for part in reused)
    return target, Written(
        provenance,
        documents,
        [*reused, *parts],
        failed,
        recount,
        sum(chunked) or None,
        effort,
        max(0, repeated),
        drafting.draft(statistics, target.output, provenance),
    )


def _planned(
    gathered: tuple[Target, Written],
) -> list[tuple[Target, Mapping[str, Any], MergeTask]]:
    target, written = gathered
    return [(target, written.provenance, task) for task in commit.plan(target, written)]


def _published(gathered: tuple[Target, Written], merged: Iterable[Merged]) -> Manifest:
    target, written = gathered
    return commit.publish(target, written, merged)
