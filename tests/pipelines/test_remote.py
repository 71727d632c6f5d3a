"""Jobs that run elsewhere, as far as no cloud is needed; tests/dataflow has the rest."""

from pathlib import Path

import apache_beam as beam
import grpc
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult, PipelineState

from embed_pipeline.errors import EmbedPipelineError, InterruptedJobError
from embed_pipeline.interrupt import request_stop
from embed_pipeline.pipelines import remote
from embed_pipeline.pipelines.remote import GoesOn
from embed_pipeline.staging import Run, check_wanted, new_run


class Result(PipelineResult):
    """Be a job elsewhere that is in a state and ends as it is told to."""

    def __init__(self, ends: str, *, obeys: bool = True) -> None:
        super().__init__(PipelineState.RUNNING)
        self._ends = ends
        self._obeys = obeys

    def wait_until_finish(self, *_: object) -> str:
        return self._ends

    def cancel(self) -> None:
        if not self._obeys:
            raise RuntimeError("not yours")
        self._state = PipelineState.CANCELLED


class Runner(beam.runners.PipelineRunner):
    def __init__(self, result: Result) -> None:
        self.result = result

    def run_pipeline(self, *_: object) -> Result:
        return self.result


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return new_run(str(tmp_path))


def test_a_job_that_ends_well_says_nothing(run: Run) -> None:
    said: list[str] = []

    remote.run(beam.Pipeline(Runner(Result(PipelineState.DONE))), run, said.append)

    assert said == []


def test_a_job_that_ended_otherwise_is_an_error_where_its_runner_says_nothing_too(
    run: Run,
) -> None:
    with pytest.raises(EmbedPipelineError, match="ended with the state CANCELLED"):
        remote.run(beam.Pipeline(Runner(Result(PipelineState.CANCELLED))), run, print)


def test_a_signal_while_the_job_is_made_cancels_it(run: Run) -> None:
    result = Result(PipelineState.DONE)
    request_stop(2)

    with pytest.raises(KeyboardInterrupt):
        remote.run(beam.Pipeline(Runner(result)), run, print)

    assert result.state == PipelineState.CANCELLED
    with pytest.raises(InterruptedJobError):
        check_wanted(run)


class Lost(Result):
    """Be a job whose server does not answer any more."""

    def __init__(self) -> None:
        super().__init__(PipelineState.DONE)

    @property
    def state(self) -> str:
        raise grpc.RpcError("Connection reset by peer")

    def wait_until_finish(self, *_: object) -> str:
        raise grpc.RpcError("Connection reset by peer")


def test_a_job_whose_server_is_lost_publishes_nothing_wherever_it_goes_on(run: Run) -> None:
    said = r"lost the job server \(Connection reset by peer\): .* but publishes nothing"
    with pytest.raises(EmbedPipelineError, match=said):
        remote.run(beam.Pipeline(Runner(Lost())), run, print)
    with pytest.raises(InterruptedJobError):
        check_wanted(run)


def test_a_job_server_that_is_not_there_is_missed_at_once(run: Run) -> None:
    flags = ["--job_endpoint=localhost:1", "--environment_type=LOOPBACK"]
    pipeline = beam.Pipeline(Runner(Result(PipelineState.DONE)), options=PipelineOptions(flags))
    with pytest.raises(EmbedPipelineError, match="no job server answers at localhost:1"):
        remote.run(pipeline, run, print)


def test_a_job_that_cannot_be_canceled_is_said_to_go_on(run: Run) -> None:
    request_stop(2)

    with pytest.raises(
        GoesOn, match=r"failed \(not yours\): the job may go on, but publishes nothing"
    ):
        remote.run(beam.Pipeline(Runner(Result(PipelineState.DONE, obeys=False))), run, print)
