"""Run a pipeline to its end, and say what is kept where that is not the good one."""

import errno
import gc
import logging
import os
import re
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions

from embed_pipeline import errors, interrupt, resume
from embed_pipeline.exit_codes import ExitCode, of_signal
from embed_pipeline.pipelines import remote
from embed_pipeline.pipelines.options import DEFAULT_RUNNER, runner_name
from embed_pipeline.pipelines.worker_watch import watching_workers
from embed_pipeline.staging import Run

WORKER_OPTIONS = "PIPELINE_OPTIONS_FILE"  # where Beam's worker processes look for theirs


class Attempt(NamedTuple):
    """Hold what tells how much of a run is kept when it ends before its time.

    Attributes:
        run: The run.
        before: Vectors it has from earlier runs.
        known: Whether a later run can tell that the model is the same.
    """

    run: Run
    before: int
    known: bool

    def kept(self) -> str:
        """Return what is kept, for the end of an error's message."""
        try:
            rows = self.before + sum(part.rows for part in resume.left(self.run).parts)
        except OSError:
            rows = 0
        if not rows or not self.known:
            return "nothing is published"
        return (
            f"nothing is published; {rows:,} vectors are kept, and the next run of this job "
            "reuses them"
        )


def execute(
    pipeline: beam.Pipeline,
    attempt: Attempt,
    max_seconds: float | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Run a pipeline to its end; errors of ours come out as they went in.

    Args:
        pipeline: The pipeline.
        attempt: What tells what is kept.
        max_seconds: How long it may take; then it is stopped as by a signal, with TimeIsUp.
        say: Where to tell which job it is, where it runs elsewhere.
    """
    interrupt.clear()
    elsewhere = _works_elsewhere(pipeline.options)
    apart = runner_name(pipeline.options) != DEFAULT_RUNNER  # an engine of its own runs the job
    with (
        _quiet(),
        _quiet_workers(pipeline.options),
        watching_workers() as watch,
        interrupt.stop_on_signals(at_once=elsewhere, seconds=max_seconds) as take_signals,
    ):
        gc.freeze()  # Beam's imports are 180,000 objects, looked through again and again
        try:
            if apart:
                remote.run(pipeline, attempt.run, say, take_signals)
            else:
                pipeline.run().wait_until_finish()
        except remote.GoesOn:
            raise
        except (Exception, KeyboardInterrupt) as error:
            watch.ending = True
            if watch.died is not None:
                raise errors.EmbedPipelineError(
                    f"a worker process died ({watch.died}); where nobody killed it, it may have "
                    f"wanted more memory than there is; {attempt.kept()}"
                ) from error
            number = interrupt.stop_requested()
            if number == signal.SIGALRM:
                raise errors.TimeIsUp(f"the time is up; {attempt.kept()}") from error
            if number is not None:
                raise Interrupted(number, attempt.kept()) from error
            failed = told(error)
            _distrust(attempt.run, failed)
            if failed.exit_code != ExitCode.FAILED:
                raise failed from error
            raise type(failed)(f"{failed}; {attempt.kept()}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Beam's logs and tracebacks back, and what job servers say; we tell better."""
    loggers = [logging.getLogger("apache_beam"), logging.getLogger()]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _quiet_workers(options: PipelineOptions) -> Iterator[None]:
    """Keep back what worker processes of Beam's local runner log below warnings.

    The runner gives them no options, so they log INFO; but a file that the environment names wins.
    What they log before they have read it, two lines each, stays.
    """
    if options.view_as(DirectOptions).direct_running_mode != "multi_processing":
        yield
        return
    with tempfile.NamedTemporaryFile("w", suffix=".json") as told_in:
        told_in.write('{"default_sdk_harness_log_level": "WARNING"}')
        told_in.flush()
        before = os.environ.get(WORKER_OPTIONS)
        os.environ[WORKER_OPTIONS] = before or told_in.name
        try:
            yield
        finally:
            if before is None:
                del os.environ[WORKER_OPTIONS]


def _distrust(run: Run, error: errors.EmbedPipelineError) -> None:
    """See to it that no vector is reused that may be wrong."""
    with suppress(OSError):
        if isinstance(error, errors.ModelChanged):
            if error.since is not None:
                resume.forget(run, error.since)
        elif isinstance(error, errors.NothingSucceeds):
            resume.forget_failures(run)
        elif isinstance(error, errors.VectorsContradicted):
            resume.forget(run)


def _works_elsewhere(options: PipelineOptions) -> bool:
    """Tell whether the work is done outside this process."""
    mode = options.view_as(DirectOptions).direct_running_mode
    return runner_name(options) != DEFAULT_RUNNER or mode == "multi_processing"


class Interrupted(errors.InterruptedJobError):
    """Report the signal that ended the job; the exit code is 128 plus its number."""

    def __init__(self, number: int, kept_parts: str) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}; {kept_parts}")
        self.exit_code = of_signal(number)


_TOLD = re.compile(r"^embed_pipeline\.errors\.(\w+): (.*)$", re.MULTILINE)
_OS_ERROR = re.compile(
    r"^(?:OSError|PermissionError|FileNotFoundError|NotADirectoryError): (.*)$", re.MULTILINE
)
_ERRNO = re.compile(r"\[Errno (\d+)\]")
_DISK = {
    errno.ENOSPC: "make room there and run the job again",
    errno.EDQUOT: "make room there and run the job again",
    errno.EFBIG: "raise the limit on the size of files, or lower output.file_mb, and run it again",
    errno.ENOENT: "somebody has deleted it while the job ran; run the job again",
    errno.EACCES: "mend the permissions and run the job again",
    errno.EPERM: "mend the permissions and run the job again",
    errno.EROFS: "make the disk writable and run the job again",
}
_WHERE = re.compile(r" \[while running '.*", re.DOTALL)


def told(error: BaseException) -> errors.EmbedPipelineError:
    """Return the error of ours that ended a pipeline; some runners pass on its text only."""
    message = _WHERE.sub("", str(error))
    if isinstance(error, errors.EmbedPipelineError):
        found = type(error)(message)
        if isinstance(error, errors.ModelChanged) and isinstance(found, errors.ModelChanged):
            found.since = error.since
        return found
    if isinstance(error, OSError):
        return _disk_error(message)
    texts: list[tuple[str, str]] = _TOLD.findall(message)
    if texts:
        name, text = texts[-1]
        kind: type[errors.EmbedPipelineError] = getattr(errors, name)
        return kind(text)
    failed = _OS_ERROR.search(message)
    if failed:
        return _disk_error(failed[1])
    lines = [line for line in message.strip().splitlines() if line != "None"]
    last = lines[-1] if lines else type(error).__name__  # Dataflow ends with None if it knows none
    return errors.EmbedPipelineError(f"the pipeline failed: {last}")


def _disk_error(message: str) -> errors.DatasetError:
    """Return what stopped a job at its output, with what to do."""
    number = _ERRNO.search(message)
    cure = _DISK.get(int(number[1])) if number else None
    return errors.DatasetError(f"{message}; {cure}" if cure else message)
