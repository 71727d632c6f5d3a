"""The execution of a pipeline: which error comes out of it, and what is said to be kept."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult, PipelineRunner, PipelineState

from embed_pipeline import errors, interrupt, resume
from embed_pipeline.output import Output
from embed_pipeline.parts import RowWriter
from embed_pipeline.pipelines.execution import Attempt, Interrupted, execute, told
from embed_pipeline.schema import Layout
from embed_pipeline.staging import Run, check_wanted
from tests.support.rows import RUN_ID, made_by, row
from tests.support.scripted import DIGEST, DIMENSION

KEPT = "nothing is published; 2 vectors are kept, and the next run of this job reuses them"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a run that has written a part of two rows."""
    found = Run(str(tmp_path), RUN_ID)
    resume.begin(found, {}, DIGEST)
    layout = Layout(Output(path=found.path), DIMENSION, {})
    writer = RowWriter(found, layout, made_by())
    for name in "ab":
        writer.add(row(name))
    list(writer.close())
    return found


def fail(error: Exception) -> beam.Pipeline:
    """Return a pipeline that fails with an error."""

    def give(_: int) -> Iterator[int]:
        raise error

    pipeline = beam.Pipeline("FnApiRunner")
    _ = pipeline | beam.Create([0], reshuffle=False) | beam.FlatMap(give)
    return pipeline


def test_what_is_kept_is_counted_with_what_earlier_runs_have_left(run: Run) -> None:
    assert Attempt(run, 0, known=True).kept() == KEPT
    assert "; 1,002 vectors are kept" in Attempt(run, 1_000, known=True).kept()


def test_where_a_later_run_cannot_tell_the_model_nothing_is_said_to_be_kept(run: Run) -> None:
    assert Attempt(run, 9, known=False).kept() == "nothing is published"


def test_an_error_of_ours_comes_out_and_says_what_is_kept(run: Run) -> None:
    with pytest.raises(errors.Unauthorized) as caught:
        execute(fail(errors.Unauthorized("401 no")), Attempt(run, 0, known=True))
    assert str(caught.value) == f"401 no; {KEPT}"


def test_an_error_with_an_exit_code_of_its_own_comes_out_as_it_is(run: Run) -> None:
    with pytest.raises(errors.RefusedError) as caught:
        execute(fail(errors.RefusedError("two ids")), Attempt(run, 0, known=True))
    assert str(caught.value) == "two ids"


def test_a_stop_comes_out_as_the_signal(run: Run) -> None:
    def stop(_: int) -> None:
        interrupt.request_stop(signal.SIGTERM)
        raise errors.InterruptedJobError("stopped")

    pipeline = beam.Pipeline("FnApiRunner")
    _ = pipeline | beam.Create([0], reshuffle=False) | beam.Map(stop)
    with pytest.raises(Interrupted) as caught:
        execute(pipeline, Attempt(run, 0, known=True))
    assert caught.value.exit_code == 128 + signal.SIGTERM
    assert str(caught.value) == f"stopped by SIGTERM; {KEPT}"


def test_of_a_model_that_was_changed_nothing_is_kept_that_came_after_the_last_look(
    run: Run,
) -> None:
    error = errors.ModelChanged("another one", since=1.0)
    with pytest.raises(errors.ModelChanged, match=r"another one; nothing is published$"):
        execute(fail(error), Attempt(run, 0, known=True))


def test_of_a_model_that_was_changed_before_it_gave_a_vector_everything_is_kept(run: Run) -> None:
    error = errors.ModelChanged("another one", since=None)
    with pytest.raises(errors.ModelChanged, match="2 vectors are kept"):
        execute(fail(error), Attempt(run, 0, known=True))


def test_of_a_model_that_was_changed_everything_is_kept_that_came_before_the_last_look(
    run: Run,
) -> None:
    error = errors.ModelChanged("another one", since=time.time() + 60)
    with pytest.raises(errors.ModelChanged, match="2 vectors are kept"):
        execute(fail(error), Attempt(run, 0, known=True))


def test_vectors_that_are_contradicted_are_not_kept(run: Run) -> None:
    with pytest.raises(errors.VectorsContradicted, match=r"mixed up; nothing is published$"):
        execute(fail(errors.VectorsContradicted("mixed up")), Attempt(run, 0, known=True))


def test_where_nothing_succeeds_any_more_the_vectors_are_kept(run: Run) -> None:
    with pytest.raises(errors.NothingSucceeds, match="2 vectors are kept"):
        execute(fail(errors.NothingSucceeds("for 900 s")), Attempt(run, 0, known=True))


def test_errors_come_back_from_a_runner_s_text() -> None:
    text = "Traceback ...\nembed_pipeline.errors.RefusedError: two ids [while running 'Plan']\n"
    found = told(RuntimeError(text))
    assert type(found) is errors.RefusedError
    assert str(found) == "two ids"


def test_other_errors_keep_their_last_line() -> None:
    found = told(RuntimeError("Traceback ...\nZeroDivisionError: division by zero"))
    assert str(found) == "the pipeline failed: ZeroDivisionError: division by zero"


def test_a_full_disk_is_told_from_a_runner_s_text_as_well() -> None:
    found = told(RuntimeError("Traceback ...\nOSError: [Errno 28] No space left on device: /o"))
    assert isinstance(found, errors.DatasetError)
    assert str(found).startswith("[Errno 28] No space left on device: /o; make room there and run")


def test_a_full_disk_is_told_with_the_path() -> None:
    found = told(OSError(28, "No space left on device: /out/staging/x.parquet [while running 'W']"))
    assert isinstance(found, errors.DatasetError)
    assert "No space left on device: /out/staging/x.parquet; make room there" in str(found)


class _GoesOn(PipelineResult):
    """Be a job whose engine cannot be reached any more."""

    def __init__(self) -> None:
        super().__init__(PipelineState.RUNNING)

    def wait_until_finish(self, *_: object) -> None:
        raise ConnectionError("the job server has gone")

    def cancel(self) -> None:
        raise ConnectionError("the job server has gone")


class FarRunner(PipelineRunner):
    """Be a runner whose jobs are done elsewhere."""

    def run_pipeline(self, *_: object) -> PipelineResult:
        return _GoesOn()


def test_a_job_that_may_go_on_elsewhere_is_given_up(run: Run) -> None:
    pipeline = beam.Pipeline(options=PipelineOptions([f"--runner={__name__}.FarRunner"]))
    _ = pipeline | beam.Create([0], reshuffle=False)
    with pytest.raises(errors.EmbedPipelineError, match="the job server has gone"):
        execute(pipeline, Attempt(run, 0, known=True))
    with pytest.raises(errors.InterruptedJobError):
        check_wanted(run)
