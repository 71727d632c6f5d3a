"""Jobs that run elsewhere, as far as no cloud is needed; tests/dataflow has the rest."""

import importlib.util

import apache_beam as beam
import pytest
from apache_beam.runners.runner import PipelineResult, PipelineState

from embed_pipeline.errors import ConfigError, EmbedPipelineError
from embed_pipeline.interrupt import request_stop
from embed_pipeline.pipelines.options import beam_options
from embed_pipeline.pipelines.remote import GoesOn, new_pipeline, run

WITH_GOOGLE = importlib.util.find_spec("google.cloud") is not None


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


def test_an_option_the_runner_refuses_is_told_as_such() -> None:
    flags = ["--environment_type=DOCKER", "--environment_options=process_command=x"]

    with pytest.raises(ConfigError, match=r"^Beam's options: .*process_command"):
        new_pipeline(beam_options({"runner": "PortableRunner"}, flags))


@pytest.mark.skipif(WITH_GOOGLE, reason="Google's packages are installed")
def test_dataflow_without_its_packages_says_what_to_install() -> None:
    with pytest.raises(ConfigError, match=r"pip install 'embed_pipeline\[gcp\]'"):
        new_pipeline(beam_options({"runner": "DataflowRunner"}, []))


def test_a_job_that_ends_well_says_nothing() -> None:
    said: list[str] = []

    run(beam.Pipeline(Runner(Result(PipelineState.DONE))), said.append)

    assert said == []


def test_a_job_that_ended_otherwise_is_an_error_even_where_its_runner_says_nothing() -> None:
    with pytest.raises(EmbedPipelineError, match="ended with the state CANCELLED"):
        run(beam.Pipeline(Runner(Result(PipelineState.CANCELLED))), print)


def test_a_signal_while_the_job_is_made_cancels_it() -> None:
    result = Result(PipelineState.DONE)
    request_stop(2)

    with pytest.raises(KeyboardInterrupt):
        run(beam.Pipeline(Runner(result)), print)

    assert result.state == PipelineState.CANCELLED


def test_a_job_that_cannot_be_cancelled_is_said_to_go_on() -> None:
    request_stop(2)

    with pytest.raises(GoesOn, match=r"cancelling failed \(not yours\): the job may go on"):
        run(beam.Pipeline(Runner(Result(PipelineState.DONE, obeys=False))), print)
