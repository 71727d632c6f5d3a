"""A manifest's figures as OpenMetrics text, for a textfile collector or a scraper.

Every metric is a gauge, none has a timestamp, and what else the text holds are comments, so that it
is also valid in the older text format of Prometheus, which node_exporter's collector reads.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from embed_pipeline.locations import split_options
from embed_pipeline.manifest import Manifest, Refresh

PREFIX = "embed_pipeline_"
UNITS = ("seconds", "bytes")  # a name ends with its unit, which is then told beside it
Labels = Mapping[str, str]


class Gauge(NamedTuple):
    """Hold one metric.

    Attributes:
        name: Without the prefix all of ours have.
        told: What it is, in one line.
        samples: Its values, each with the labels it has beside those of all metrics.
    """

    name: str
    told: str
    samples: list[tuple[Labels, float]]


def open_metrics(manifest: Manifest) -> str:
    r"""Return what a manifest counts as OpenMetrics 1.0 text, ending in `# EOF`.

    Every sample has the label `store`, the output's path without the options of a URL, so that the
    files of several stores go into one collector. Model, digest and snapshot are labels of
    `embed_pipeline_dataset_info` alone, whose value is 1: they change, and every change of a label
    is another time series. In labels `\`, `"` and line feeds are escaped.

    Args:
        manifest: Of a dataset, or of a store's snapshot: only those tell of a refresh.
    """
    where = str((manifest.job.get("output") or {}).get("path", ""))
    labels = {"store": split_options(where)[0]}
    gauges = [*_dataset(manifest), *(_refresh(manifest.refresh) if manifest.refresh else ())]
    lines = [line for gauge in gauges for line in _lines(gauge, labels)]
    return "\n".join([*lines, "# EOF", ""])


def _dataset(manifest: Manifest) -> Iterator[Gauge]:
    """Yield what is told of any dataset."""
    made, counts, refresh = manifest.provenance, manifest.counts, manifest.refresh
    about = {
        "model": str(made.get("model", "")),
        "digest": str(made.get("digest") or ""),
        "snapshot": "" if refresh is None else f"{refresh.snapshot:06d}",
    }
    yield Gauge("dataset_info", "What made the vectors, and the snapshot; always 1.", [(about, 1)])
    yield _one("documents", "Documents of the corpus, or pieces of those split.", counts.documents)
    yield _one("rows", "Documents with a vector.", counts.rows)
    yield _one("failed", "Documents without a vector.", counts.failed)
    kinds: list[tuple[Labels, float]] = []
    for kind, count in sorted(counts.failed_by_blame_and_kind.items()):
        blame, _, name = kind.partition(":")
        kinds.append(({"blame": blame, "kind": name}, count))
    if kinds:
        yield Gauge("failures", "Documents without a vector, by blame and kind of error.", kinds)
    yield _one("tokens", "Tokens of all rows.", counts.tokens)


def _refresh(told: Refresh) -> Iterator[Gauge]:
    """Yield what is told of the refresh that made a snapshot."""
    yield _one("refresh_embedded_rows", "Rows whose vector this refresh made.", told.embedded)
    yield _one("refresh_reused_rows", "Rows whose vector was there before.", told.reused)
    yield _one("refresh_inserted_rows", "Rows that are new.", told.inserted)
    yield _one("refresh_updated_rows", "Rows whose text is another.", told.updated)
    yield _one("refresh_relabeled_rows", "Rows of the same text, other attributes.", told.relabeled)
    yield _one("refresh_deleted_rows", "Rows that are gone.", told.deleted)
    yield _one("refresh_forgotten_documents", "Documents left out on request.", told.forgotten)
    yield _one("refresh_tokens", "Tokens of the texts it sent.", told.tokens)
    yield _one("refresh_duration_seconds", "How long it took.", told.seconds)
    yield _one("refresh_server_seconds", "How long the endpoint computed.", told.server_seconds)
    yield _one("refresh_added_bytes", "Of files not shared with the base.", told.bytes_added)
    yield _one("refresh_exit_code", "0, or 3 where more failed than allowed.", told.exit_code)
    finished = datetime.fromisoformat(told.finished).timestamp()
    yield _one("refresh_finished_timestamp_seconds", "When it ended, in Unix time.", finished)


def _one(name: str, told: str, value: float) -> Gauge:
    return Gauge(name, told, [({}, value)])


def _lines(gauge: Gauge, labels: Labels) -> Iterator[str]:
    """Yield a metric's lines."""
    name = PREFIX + gauge.name
    yield f"# HELP {name} {gauge.told}"
    yield f"# TYPE {name} gauge"
    unit = gauge.name.rpartition("_")[2]
    if unit in UNITS:
        yield f"# UNIT {name} {unit}"
    for more, value in gauge.samples:
        shown = ",".join(f'{key}="{_escaped(found)}"' for key, found in {**labels, **more}.items())
        yield f"{name}{{{shown}}} {value}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
