"""Jobs that run elsewhere: begun from here, waited for, and stopped with their launcher."""

import importlib
import time
from collections.abc import Callable
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
from apache_beam.runners.runner import PipelineResult, PipelineState

from embed_pipeline import interrupt
from embed_pipeline.errors import ConfigError, EmbedPipelineError
from embed_pipeline.pipelines.options import runner_name

DATAFLOW = "DataflowRunner"
ENDING_SECONDS = 600.0  # for a job to end that was told to
LOOK_SECONDS = 2.0


class GoesOn(EmbedPipelineError):
    """Report that a job was to end and may not have."""


def new_pipeline(options: PipelineOptions) -> beam.Pipeline:
    """Return an empty pipeline.

    Raises:
        ConfigError: The runner's package is missing, or the runner refuses the options.
    """
    if runner_name(options) == DATAFLOW:
        try:
            importlib.import_module("apache_beam.runners.dataflow.internal.apiclient")
        except ImportError as error:
            raise ConfigError(
                f"beam.runner: {DATAFLOW} needs more packages: "
                f"pip install 'embed_pipeline[gcp]' ({error})"
            ) from error
    try:
        return beam.Pipeline(options=options)
    except ValueError as error:  # the runner looks at its own options here
        raise ConfigError(f"Beam's options: {' '.join(str(error).split())}") from error


def run(pipeline: beam.Pipeline, say: Callable[[str], None]) -> None:
    """Begin a job and wait for its end; cancel it at a signal.

    Args:
        pipeline: The pipeline; its runner works elsewhere.
        say: Where to tell which job it is.

    Raises:
        KeyboardInterrupt: There was a signal; the job has been cancelled.
        GoesOn: There was a signal, but the job may go on.
    """
    with interrupt.stop_on_signals():  # a job that is being made has no handle yet to cancel it by
        result = pipeline.run()
    described = _described(result, pipeline.options)
    if described:
        say(f"running as {described}")
    try:
        if interrupt.stop_requested() is None:
            _check(result.wait_until_finish())
            return
    except KeyboardInterrupt:
        pass
    say("cancelling the job; interrupt again to leave it as it is")
    _cancel(result, described or "the job")
    raise KeyboardInterrupt


def _check(state: str | None) -> None:
    """Raise what a runner does not: Dataflow's says nothing of a job that ended early."""
    if state in (PipelineState.CANCELLED, PipelineState.FAILED):
        raise EmbedPipelineError(f"the job ended with the state {state}; look into its log there")


def _cancel(result: PipelineResult, described: str) -> None:
    """Cancel a job and wait until it has ended, so that it does not publish behind our back.

    Raises:
        GoesOn: It may go on.
    """
    until = time.monotonic() + ENDING_SECONDS
    problem: object = f"it has not ended within {ENDING_SECONDS:,.0f} s"
    try:
        result.cancel()
        while time.monotonic() < until:
            if PipelineState.is_terminal(result.state):
                return
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        problem = "there was no time to see it end"
    except Exception as error:  # noqa: BLE001 (a runner raises what it likes)
        problem = error
    raise GoesOn(
        f"cancelling failed ({problem}): {described} may go on and publish; cancel it where it runs"
    )


def _described(result: PipelineResult, options: PipelineOptions) -> str:
    """Return which job it is and where it can be looked at; "" where the runner does not say."""
    number: Any = getattr(result, "job_id", None)
    if not callable(number) or runner_name(options) != DATAFLOW:
        return ""
    cloud = options.view_as(GoogleCloudOptions)
    return (
        f"job {number()}: https://console.cloud.google.com/dataflow/jobs/{cloud.region}/{number()}"
        f"?project={cloud.project}"
    )
