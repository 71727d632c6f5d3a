"""What a job tells while it runs and at its end: a bar on a terminal, plain lines elsewhere."""

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

import pyarrow.parquet as pq
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from embed_pipeline import files
from embed_pipeline.manifest import Counts, Manifest
from embed_pipeline.pipelines.pairs import print_pairs
from embed_pipeline.progress import Progress, read_progress
from embed_pipeline.recount import contradicted
from embed_pipeline.staging import Run

BAR_SECONDS = 0.5  # between two looks at the progress files, on a terminal
LINE_SECONDS = 10.0  # between two lines, elsewhere, and between two looks at an object store
RECENT_SECONDS = 30.0  # over which the recent rate is taken


class _Unbroken:
    """Pass on to a stream; once nobody reads it any more, say nothing and go on.

    A job whose summary is piped into `head` is no failed job.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(BrokenPipeError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(BrokenPipeError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Terminal:
    """Tell of a job on the standard error stream, so that the standard output stays free.

    Args:
        quiet: Tell nothing but the summary and errors.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(
            file=cast(TextIO, _Unbroken(sys.stderr)), highlight=False, soft_wrap=True
        )
        self._quiet = quiet

    def say(self, text: str) -> None:
        """Tell one thing."""
        if not self._quiet:
            self._console.print(escape(text))

    def tell(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Tell a summary, whether quiet or not."""
        print_pairs(self._console, pairs)

    def warn(self, text: str) -> None:
        """Tell what may be wrong, whether quiet or not."""
        self._console.print(f"[yellow]warning:[/yellow] {escape(text)}")

    @contextmanager
    def telling_warnings(self) -> Iterator[None]:
        """Tell the warnings that our modules log, until the block ends."""
        log = logging.getLogger("embed_pipeline")
        handler = _Warnings(self)
        level, propagate = log.level, log.propagate
        log.setLevel(logging.WARNING)  # whatever the root's is
        log.propagate = False  # the root's handlers, which Beam adds, would tell them again
        log.addHandler(handler)
        try:
            yield
        finally:
            log.removeHandler(handler)
            log.setLevel(level)
            log.propagate = propagate

    @contextmanager
    def watching(self, run: Run, total: int | None, *, exact: bool) -> Iterator[None]:
        """Tell how far a run is, until the block ends.

        Args:
            run: The run, whose progress files are read.
            total: Documents there are, if that is known.
            exact: Whether that is counted, not estimated.
        """
        if self._quiet:
            yield
            return
        ended = threading.Event()
        rates = Rates(total, exact=exact, start=read_progress(run))
        show = self._bar if self._console.is_terminal else self._lines
        thread = threading.Thread(target=show, args=(run, rates, ended), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _bar(self, run: Run, rates: "Rates", ended: threading.Event) -> None:
        pause = BAR_SECONDS if files.rename_is_cheap(run.path) else LINE_SECONDS
        with Live(console=self._console, transient=True, refresh_per_second=4) as live:
            while True:
                _look(run, rates)
                live.update(rates.table())
                if ended.wait(pause):
                    return

    def _lines(self, run: Run, rates: "Rates", ended: threading.Event) -> None:
        while not ended.wait(LINE_SECONDS):
            _look(run, rates)
            self._console.print(rates.line())

    def summarize(
        self, path: str, manifest: Manifest, seconds: float, *, too_many: bool = False
    ) -> None:
        """Tell what a run has published."""
        counts = manifest.counts
        made = manifest.provenance
        reused = int(manifest.effort.get("reused", 0))
        rate = (counts.rows - reused) / seconds if seconds else 0.0
        size = sum(file.bytes for file in manifest.data)
        stored = f"{len(manifest.data)} file{'s' if len(manifest.data) > 1 else ''}"
        pairs = [
            ("dataset", path),
            ("documents", _documents(counts)),
            ("rows", f"{counts.rows:,} in {stored}, {size / 1e6:,.1f} MB"),
            *([("", f"{reused:,} of them from earlier runs")] if reused else []),
            ("failed", f"{counts.failed:,}"),
        ]
        for kind, count in counts.failed_by_blame_and_kind.items():
            blame, _, name = kind.partition(":")
            pairs.append(("", f"{count:,} {name} ({blame})"))
        if counts.duplicates_dropped:
            pairs.append(("duplicates", f"{counts.duplicates_dropped:,} dropped"))
        pairs += [
            ("tokens", f"{counts.tokens:,} ({_sources(manifest)})"),
            *_recounted(manifest),
            *_truncated(manifest),
            ("model", f"{made['model']} {made['digest'][:12]}, {made['dimension']} values"),
            ("endpoint", f"{made['endpoint']} {made['endpoint_version']}"),
            *_effort(manifest.effort),
            ("time", f"{seconds:,.1f} s, {rate:,.0f} texts/s"),
        ]
        print_pairs(self._console, pairs)
        self._console.print(self._failures(path, manifest), end="")
        wrong_counts = contradicted(manifest.recount)
        if wrong_counts:
            self.warn(wrong_counts)
        if too_many:
            self._console.print(
                "more documents failed than output.max_failed_fraction allows (exit code 3)",
                style="red",
            )

    def _failures(self, path: str, manifest: Manifest) -> str:
        """Return a few failures, each with where it stands, and where the others are."""
        if not manifest.failures:
            return ""
        with files.open_input(files.join(path, manifest.failures[0].path)) as stream:
            columns = ["source", "line", "kind", "message"]
            rows = next(pq.ParquetFile(stream).iter_batches(3, columns=columns)).to_pylist()
        shown = [f"  {row['kind']}: {_place(row)}{row['message']}" for row in rows]
        more = f"  all of them: {files.join(path, 'failures')}"
        return escape("\n".join([*shown, more, ""]))


def _documents(counts: Counts) -> str:
    """Tell how many documents there were, and how many pieces they were split into."""
    if counts.chunked_documents is None:
        return f"{counts.documents:,}"
    return f"{counts.chunked_documents:,}, split into {counts.documents:,} pieces"


def _place(row: dict[str, object]) -> str:
    if not row["source"] or str(row["source"]) in str(row["message"]):
        return ""
    return f"{row['source']}:{row['line']}: " if row["line"] else f"{row['source']}: "


def _sources(manifest: Manifest) -> str:
    found = manifest.counts.rows_by_token_count_source
    return ", ".join(f"{count:,} rows {source}" for source, count in found.items()) or "no rows"


class _Warnings(logging.Handler):
    """Pass log records on to a terminal, so that they do not break its bar."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(logging.WARNING)
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        self._terminal.warn(record.getMessage())


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
    pairs = [("requests", told)]
    faults = [
        f"{number:,.0f} {name.removeprefix('faults.')}"
        for name, number in sorted(effort.items())
        if name.startswith("faults.")
    ]
    if faults:
        lost = f"{effort.get('lost_s', 0):,.1f} s of requests lost by that"
        pairs.append(("", f"failed: {', '.join(faults)}; {lost}"))
    if effort.get("reloads"):
        pairs.append(("model reloads", f"{effort['reloads']:,.0f}"))
    if effort.get("suspects"):
        pairs.append(("", f"{effort['suspects']:,.0f} pairs of texts with one vector, rightly so"))
    return pairs


def _truncated(manifest: Manifest) -> list[tuple[str, str]]:
    """Tell how many texts were cut."""
    found = manifest.counts.rows_by_truncated
    told = f"{found.get('true', 0):,} rows"
    if found.get("null"):
        told += f"; of {found['null']:,} it is not known"
    return [("truncated", f"{told} (the model reads {manifest.provenance['context']} tokens)")]


class Rates:
    """Turn readings of the progress into rates.

    Args:
        total: Documents there are, if that is known.
        exact: Whether that is counted, not estimated.
        start: What is done before the first reading, by earlier runs.
        clock: Seconds from any point on.
    """

    def __init__(
        self,
        total: int | None,
        *,
        exact: bool,
        start: Progress = Progress(),  # noqa: B008 (it cannot be changed)
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = total
        self._about = "" if exact else "about "
        self._clock = clock
        self._began = clock()
        self._start = start
        self._seen: deque[tuple[float, Progress]] = deque([(self._began, start)])

    def update(self, progress: Progress) -> None:
        """Take a reading; files that are being committed read as less, and do not count."""
        if sum(progress) < sum(self._seen[-1][1]):
            return
        now = self._clock()
        self._seen.append((now, progress))
        while len(self._seen) > 2 and now - self._seen[0][0] > RECENT_SECONDS:
            self._seen.popleft()

    @property
    def _done(self) -> int:
        progress = self._seen[-1][1]
        return progress.rows + progress.failed

    def line(self) -> str:
        """Return everything as one line."""
        (before, first), (now, last) = self._seen[0], self._seen[-1]
        passed = max(now - before, 1e-9)
        recent = (last.rows - first.rows) / passed
        overall = (last.rows - self._start.rows) / max(now - self._began, 1e-9)
        tokens = (last.tokens - first.tokens) / passed
        parts = [
            f"{self._done:,} {self._of()}texts",
            f"{recent:,.0f} texts/s ({overall:,.0f} overall)",
            f"{tokens:,.0f} tokens/s",
            f"{last.failed:,} failed",
        ]
        if self._total and recent:
            left = max(0, self._total - self._done) / recent
            parts.append(f"ready in {self._about}{_duration(left)}")
        return ", ".join(parts)

    def _of(self) -> str:
        return f"of {self._about}{self._total:,} " if self._total else ""

    def table(self) -> Table:
        """Return a bar with the line beside it."""
        grid = Table.grid(padding=(0, 1))
        bar = ProgressBar(
            total=self._total or None, completed=self._done, width=20, pulse=not self._total
        )
        grid.add_row(bar, self.line())
        return grid


def _look(run: Run, rates: Rates) -> None:
    """Look how far a run is; an object store that does not answer is asked again next time."""
    with suppress(OSError):
        rates.update(read_progress(run))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
