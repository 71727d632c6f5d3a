"""Where a job tells of itself: the standard error stream, whatever reads it."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from rich.console import Console

from embed_pipeline import files
from embed_pipeline.health import Health, read_health
from embed_pipeline.manifest import Manifest
from embed_pipeline.pipelines import summary
from embed_pipeline.pipelines.live_view import line, view
from embed_pipeline.pipelines.pairs import print_pairs
from embed_pipeline.pipelines.picture import Picture
from embed_pipeline.pipelines.printable import escape
from embed_pipeline.pipelines.rates import Rates
from embed_pipeline.progress import read_progress
from embed_pipeline.recount import contradicted
from embed_pipeline.staging import Run

FRAME_SECONDS = 0.5  # between two pictures on a terminal, and two looks at local files
LINE_SECONDS = 10.0  # between two lines, elsewhere, and between two looks at an object store


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

    To be made as the command starts: the summary tells how long ago that was.

    Args:
        quiet: Tell nothing but the summary, warnings and errors.
        verbose: Tell of each request, repetition and pause of this process, too.
        clock: Seconds from any point on.
    """

    def __init__(
        self,
        *,
        quiet: bool = False,
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._began = clock()
        self._console = Console(file=cast(TextIO, _Unbroken(sys.stderr)), highlight=False)
        self._quiet = quiet
        self._level = logging.DEBUG if verbose else logging.WARNING

    def say(self, text: str) -> None:
        """Tell one thing."""
        if not self._quiet:
            self._print(escape(text))

    def tell(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Tell a summary, whether quiet or not."""
        print_pairs(self._console, pairs)

    def warn(self, text: str) -> None:
        """Tell what may be wrong, whether quiet or not."""
        self._print(f"[yellow]warning:[/yellow] {escape(text)}")

    def detail(self, text: str) -> None:
        """Tell what only somebody wants to know who looks for a fault, and when it was."""
        self._print(f"[dim]{time.strftime('%H:%M:%S')}  {escape(text)}[/dim]")

    def _print(self, markup: str) -> None:
        """Print a paragraph, which the window wraps; the view stays whole below it."""
        self._console.print(markup, soft_wrap=True)

    @contextmanager
    def telling_warnings(self) -> Iterator[None]:
        """Tell what our modules log, as far as it was asked for, until the block ends."""
        log = logging.getLogger("embed_pipeline")
        handler = _Told(self)
        level, propagate = log.level, log.propagate
        log.setLevel(self._level)  # whatever the root's is
        log.propagate = False  # the root's handlers, which Beam adds, would tell them again
        log.addHandler(handler)
        try:
            yield
        finally:
            log.removeHandler(handler)
            log.setLevel(level)
            log.propagate = propagate

    @contextmanager
    def watching(
        self, run: Run, total: int | None, *, exact: bool, alone: bool = True
    ) -> Iterator[None]:
        """Tell how far a run is, until the block ends.

        Args:
            run: The run, whose progress files are read.
            total: Documents there are, if that is known.
            exact: Whether that is counted, not estimated.
            alone: Whether no other process writes on the terminal meanwhile, into the view.
        """
        if self._quiet:
            yield
            return
        ended = threading.Event()
        look = _Look(run, Rates(total, exact=exact, start=read_progress(run)))
        show = self._in_place if alone and self._can_redraw() else self._lines
        thread = threading.Thread(target=show, args=(look, ended), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _can_redraw(self) -> bool:
        """Tell whether a picture can take the place of the one before it.

        The stream itself is asked, too: FORCE_COLOR makes rich take a file for a terminal.
        """
        return self._console.is_interactive and self._console.file.isatty()

    def _in_place(self, look: "_Look", ended: threading.Event) -> None:
        with Picture(self._console) as picture:
            while True:
                look.again()
                size = self._console.size
                picture.show(view(look.rates.figures(), look.health, size.width, size.height))
                if ended.wait(FRAME_SECONDS):
                    return

    def _lines(self, look: "_Look", ended: threading.Event) -> None:
        while not ended.wait(LINE_SECONDS):
            look.again()
            self._print(escape(line(look.rates.figures(), look.health)))

    def summarize(self, path: str, manifest: Manifest, *, too_many: bool = False) -> None:
        """Tell what a run has published."""
        seconds = self._clock() - self._began
        print_pairs(self._console, summary.pairs(path, manifest, seconds, too_many=too_many))
        self._console.print(escape(summary.some_failures(path, manifest)), end="", soft_wrap=True)
        wrong_counts = contradicted(manifest.recount)
        if wrong_counts:
            self.warn(wrong_counts)


class _Look:
    """Look at what a run's processes tell, as often as where they tell it bears."""

    def __init__(self, run: Run, rates: Rates) -> None:
        self.rates = rates
        self.health = Health()
        self._run = run
        self._pause = 0.0 if files.rename_is_cheap(run.path) else LINE_SECONDS
        self._due = 0.0

    def again(self) -> None:
        """Look, if it is time; a store that does not answer is asked again the next time."""
        if time.monotonic() < self._due:
            return
        with suppress(OSError):
            self.rates.update(read_progress(self._run))
            self.health = read_health(self._run)
        self._due = time.monotonic() + self._pause


class _Told(logging.Handler):
    """Pass log records on to a terminal, so that they do not break its view."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self._terminal.warn(record.getMessage())
        else:
            self._terminal.detail(record.getMessage())
