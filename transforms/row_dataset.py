"""A dataset of the Rows of one EmbedRows and of failures, as Beam YAML gives them to a step."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsSingleton, PCollection, TaggedOutput
from apache_beam.transforms.window import GlobalWindows
from apache_beam.typehints.decorators import no_annotations
from apache_beam.typehints.row_type import RowTypeConstraint
from apache_beam.utils.windowed_value import WindowedValue

from embed_pipeline.drafting import without_points
from embed_pipeline.errors import ConfigError
from embed_pipeline.manifest import Manifest
from embed_pipeline.output import COLUMNS, Output
from embed_pipeline.records import Embedded, Failed
from embed_pipeline.transforms import rows
from embed_pipeline.transforms.embed import EmbedResult
from embed_pipeline.transforms.lineage import apart, nearest
from embed_pipeline.transforms.row_steps import EmbedRows
from embed_pipeline.transforms.write import WriteDataset
from embed_pipeline.transforms.write_parts import FAILED, InGlobalWindow

_log = logging.getLogger("embed_pipeline")


class WriteRowDataset(beam.PTransform):
    """Write a dataset of the rows of one EmbedRows, and of failures.

    documents = rows + failures is counted as they come in here, since steps between may have left
    rows out, and failures may have gone elsewhere.
    """

    def __init__(self, output: Output, on_duplicate: str) -> None:
        super().__init__("WriteDataset")
        self._output = output
        self._on_duplicate = on_duplicate

    @no_annotations
    def expand(self, inputs: PCollection | Mapping[str, PCollection]) -> PCollection:
        """Add the steps."""
        named = inputs if isinstance(inputs, Mapping) else {"input": inputs}
        embedded, others = _told_apart(named)
        embed = _only(nearest(embedded, EmbedRows))
        kinds = rows.fields(embedded, "WriteDataset")
        types = {n: rows.attribute_type(n, kind) for n, kind in kinds.items() if n not in COLUMNS}
        records, misfits = embed.records, []
        statistics = embed.result.statistics
        if embed.rows is not embedded:
            provenance = AsSingleton(embed.result.provenance)
            made = embedded | "Records" >> beam.FlatMap(_record, provenance).with_output_types(
                Embedded, failed=Failed
            ).with_outputs(FAILED, main="records")
            records, misfits = made["records"], [made[FAILED]]
            statistics |= "Without points" >> beam.Map(without_points).with_output_types(bytes)
        failed = [
            *misfits,
            *(
                part | f"Failed {number}" >> beam.Map(rows.failed).with_output_types(Failed)
                for number, part in enumerate(part for one in others for part in apart(one))
            ),
        ] or [embedded.pipeline | "None failed" >> beam.Create([], reshuffle=False)]
        all_failed = failed | "All failed" >> beam.Flatten()
        result = embed.result._replace(
            embedded=records,
            failed=all_failed,
            tally=_tally(embed.result, records, all_failed),
            statistics=statistics,
        )
        manifest = result | "Write" >> WriteDataset(
            self._output, types, self._on_duplicate, _told(embed.asking)
        )
        return manifest | "Told" >> beam.Map(_summary, self._output).with_output_types(SUMMARY)


SUMMARY = RowTypeConstraint.from_fields(
    [
        ("path", str),
        ("run_id", str),
        ("documents", int),
        ("rows", int),
        ("failed", int),
        ("too_many_failed", bool),
    ]
)


def _record(row: Any, provenance: Mapping[str, Any]) -> Iterator[Any]:
    record = rows.embedded(row, provenance["dimension"])
    yield TaggedOutput(FAILED, record) if isinstance(record, Failed) else record


def _told_apart(inputs: Mapping[str, PCollection]) -> tuple[PCollection, list[PCollection]]:
    """Return the input of rows and those of failures, by their columns."""
    embedded, failures = [], []
    for name, one in inputs.items():
        found = rows.fields(one, "WriteDataset").keys()
        if found >= set(COLUMNS):
            embedded.append(one)
        elif found >= {name for name, _ in rows.FAILURE._fields}:
            failures.append(one)
        else:
            missing = ", ".join(column for column in COLUMNS if column not in found)
            raise ConfigError(
                f"WriteDataset: the input '{name}' has the columns {', '.join(found)}: rows of "
                f"EmbedText would have {missing} as well, and failures are what error_handling of "
                "ReadCorpus, ChunkText and EmbedText gives"
            )
    if len(embedded) != 1:
        raise ConfigError(
            f"WriteDataset: {len(embedded)} of the inputs {', '.join(inputs)} are rows of "
            "EmbedText: a dataset is made of one; several can be one input, as a list"
        )
    return embedded[0], failures


def _only(found: list[EmbedRows]) -> EmbedRows:
    if len(found) == 1:
        return found[0]
    raise ConfigError(
        f"WriteDataset: its rows come from {len(found)} EmbedText steps that it can see; a dataset "
        "is what one of them makes, since its manifest says with which model (a provider of type "
        "pythonPackage builds each step by itself: use type python)"
    )


def _tally(result: EmbedResult, records: PCollection, failed: PCollection) -> PCollection:
    """Return what embedding took, and how many documents come in for the dataset."""
    return (
        result.tally | "Effort" >> beam.Map(_without_documents),
        records | "Count" >> _Counted(),
        failed | "Sent" >> beam.Filter(_was_sent) | "Count failed" >> _Counted(),
    ) | "Tally" >> beam.Flatten()


def _without_documents(tally: Mapping[str, float]) -> dict[str, float]:
    return {name: amount for name, amount in tally.items() if name != "documents"}


def _was_sent(failed: Failed) -> bool:
    """Tell whether a failure is not one of those the commit adds by itself."""
    return failed.stage not in ("read", "chunk")


class _Counted(beam.PTransform):
    def expand(self, elements: PCollection) -> PCollection:
        return elements | "Into one window" >> InGlobalWindow() | "Bundle" >> beam.ParDo(_Count())


class _Count(beam.DoFn):
    """Count a bundle's elements."""

    def start_bundle(self) -> None:
        self._documents = 0

    def process(self, element: Any) -> tuple[()]:  # noqa: ARG002 (how many is all that counts)
        self._documents += 1
        return ()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        yield GlobalWindows.windowed_value({"documents": self._documents})


def _told(asking: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the manifest tells of the settings: without secrets."""
    told = {name: group.model_dump(mode="json") for name, group in asking.items()}
    endpoint = asking["endpoint"]
    told["endpoint"]["url"] = endpoint.masked_urls
    told["endpoint"]["headers"] = sorted(endpoint.headers)
    return told


def _summary(manifest: Manifest, output: Output) -> beam.Row:
    counts = manifest.counts
    too_many = counts.too_many_failed(output.max_failed_fraction)
    if too_many:
        _log.warning(
            "%s is published, but %d of its documents failed, more than output.max_failed_fraction",
            output.path,
            counts.failed,
        )
    return beam.Row(
        path=output.path,
        run_id=manifest.run_id,
        documents=counts.documents,
        rows=counts.rows,
        failed=counts.failed,
        too_many_failed=too_many,
    )
