"""What a run tells at its end."""

from collections.abc import Mapping

import pyarrow.parquet as pq

from embed_pipeline import errors, files
from embed_pipeline.counted import counted
from embed_pipeline.manifest import Counts, Manifest
from embed_pipeline.staging import MANIFEST

BESIDE = ("README.md", "report.html")  # what describes a dataset, where it is there


def pairs(
    path: str, manifest: Manifest, seconds: float, *, too_many: bool
) -> list[tuple[str, str]]:
    """Return what a run has published, as names and texts.

    Args:
        path: The dataset's folder.
        manifest: Its manifest.
        seconds: How long the command has taken, with what it does before the run and after it.
        too_many: Whether more failed than the job allows.
    """
    counts = manifest.counts
    made = manifest.provenance
    reused = int(manifest.effort.get("reused", 0))
    took = manifest.seconds
    what = "rows" if counts.duplicates_dropped else "texts"  # more were embedded than are kept
    rate = f"{manifest.embedded / took if took else 0.0:,.0f} {what}/s"
    size = sum(file.bytes for file in manifest.data)
    stored = counted(len(manifest.data), "file")
    return [
        ("dataset", path),
        ("run", manifest.run_id),
        ("documents", counts.documents_told),
        ("rows", f"{counts.rows:,} in {stored}, {size / 1e6:,.1f} MB"),
        *([("", f"{reused:,} of them from earlier runs")] if reused else []),
        ("failed", f"{counts.failed:,}"),
        *_kinds(counts),
        *_duplicates(counts),
        ("tokens", f"{counts.tokens:,} ({_sources(manifest)})"),
        *_recounted(manifest),
        *_truncated(manifest),
        ("model", f"{made['model']} {made['digest'][:12]}, {made['dimension']} values"),
        ("endpoint", f"{made['endpoint']} {made['endpoint_version']}"),
        *_effort(manifest.effort),
        ("time", f"{took:,.1f} s from start to publishing, {rate} over that time"),
        ("", f"{seconds:,.1f} s in all"),
        *_files(path, manifest),
        ("exit code", _exit_code(too_many=too_many)),
    ]


def some_failures(path: str, manifest: Manifest) -> str:
    """Return a few failures, each with where it stands, and where the messages are.

    Those are not told: what an endpoint says may repeat a text.
    """
    if not manifest.failures:
        return ""
    with files.open_input(files.join(path, manifest.failures[0].path)) as stream:
        columns = ["source", "line", "kind", "id"]
        rows = next(pq.ParquetFile(stream).iter_batches(3, columns=columns)).to_pylist()
    shown = [f"  {row['kind']}{_place(row)}" for row in rows]
    more = f"  all of them, with messages: {files.join(path, 'failures')}"
    return "\n".join([*shown, more, ""])


def _kinds(counts: Counts) -> list[tuple[str, str]]:
    """Tell how many failed with each kind of error, and what to do about it."""
    found = []
    for kind, count in counts.failed_by_blame_and_kind.items():
        blame, _, name = kind.partition(":")
        found.append(("", f"{count:,} {name} ({blame})"))
        cure = getattr(getattr(errors, name, None), "cure", "")
        if cure:
            found.append(("", f"  {cure}"))
    return found


def _duplicates(counts: Counts) -> list[tuple[str, str]]:
    dropped = counts.duplicates_dropped
    return [("duplicates", f"{dropped:,} dropped")] if dropped else []


def _files(path: str, manifest: Manifest) -> list[tuple[str, str]]:
    """Tell what is in the dataset's folder."""
    described = [name for name in BESIDE if files.exists(files.join(path, name))]
    failures = ["failures/"] if manifest.failures else []
    return [("files", ", ".join(["data/", *failures, MANIFEST, *described]))]


def _exit_code(*, too_many: bool) -> str:
    if too_many:
        return "3: published, but more failed than output.max_failed_fraction allows"
    return "0: the dataset is published"


def _place(row: dict[str, object]) -> str:
    if not row["source"]:
        return f": id {row['id']}" if row["id"] else ""
    return f": {row['source']}:{row['line']}" if row["line"] else f": {row['source']}"


def _sources(manifest: Manifest) -> str:
    found = manifest.counts.rows_by_token_count_source
    return (
        ", ".join(f"{counted(count, 'row')} {source}" for source, count in found.items())
        or "no rows"
    )


def _recounted(manifest: Manifest) -> list[tuple[str, str]]:
    """Tell how many counts were confirmed by asking again, if any were asked."""
    told = [
        f"{found['agreed']:,} of {found['asked']:,} {source} ones agree with the endpoint's"
        for source, found in manifest.recount.items()
    ]
    return [("", f"asked again alone: {', '.join(told)}")] if told else []


def _effort(effort: Mapping[str, float]) -> list[tuple[str, str]]:
    """Tell how many requests it took, and what went wrong on the way."""
    told = f"{effort.get('requests', 0):,.0f}"
    if effort.get("retries"):
        told += f", {effort['retries']:,.0f} of them repeated"
    if effort.get("isolated"):
        told += f", {effort['isolated']:,.0f} cut in halves"
    found = [("requests", told)]
    faults = [
        f"{number:,.0f} {name.removeprefix('faults.')}"
        for name, number in sorted(effort.items())
        if name.startswith("faults.")
    ]
    if faults:
        lost = f"{effort.get('lost_s', 0):,.1f} s lost by that, summed over requests"
        found.append(("", f"failed: {', '.join(faults)}; {lost}"))
    if effort.get("reloads"):
        found.append(("model reloads", f"{effort['reloads']:,.0f}"))
    if effort.get("suspects"):
        found.append(("", f"{effort['suspects']:,.0f} pairs of texts with one vector, rightly so"))
    return found


def _truncated(manifest: Manifest) -> list[tuple[str, str]]:
    """Tell how many texts were cut."""
    found = manifest.counts.rows_by_truncated
    told = counted(found.get("true", 0), "row")
    if found.get("null"):
        told += f"; of {found['null']:,} it is not known"
    return [("truncated", f"{told} (the model reads {manifest.provenance['context']} tokens)")]
