"""Jobs that run elsewhere: begun from here, waited for, and stopped with their launcher."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
)
from apache_beam.runners.runner import PipelineResult, PipelineState

from embed_pipeline import interrupt
from embed_pipeline.errors import EmbedPipelineError
from embed_pipeline.pipelines.options import DATAFLOW, runner_name
from embed_pipeline.staging import Run, give_up

ENDING_SECONDS = 600.0  # for a job to end that was told to
LOOK_SECONDS = 2.0
CONNECT_SECONDS = 10.0


class GoesOn(EmbedPipelineError):
    """Report that a job was to end and may not have."""


def run(
    pipeline: beam.Pipeline,
    run: Run,
    say: Callable[[str], None],
    take_signals: Callable[[], None] = lambda: None,
) -> None:
    """Begin a job at an engine and wait for its end; where that is not seen, give the run up.

    Args:
        pipeline: The pipeline.
        run: What it writes. Once that is given up, workers that go on all the same, as Flink's do
            when a batch job is canceled through its job server, publish nothing any more.
        say: Where to tell which job it is.
        take_signals: Takes signals back from job servers that Beam starts.

    Raises:
        KeyboardInterrupt: There was a signal; the job has been canceled.
        GoesOn: There was a signal, but the job may go on.
    """
    _check_reached(pipeline.options)
    with interrupt.stop_on_signals():  # a job that is being made has no handle yet to cancel it by
        result = pipeline.run()
    take_signals()
    described = _described(result, pipeline.options)
    if described:
        say(f"running as {described}")
    try:
        if interrupt.stop_requested() is None:
            _check(result.wait_until_finish())
            return
    except KeyboardInterrupt:
        pass
    except Exception as error:
        if _has_ended(result):
            raise
        publishes = _given_up(run)
        with suppress(Exception):
            result.cancel()
        if not isinstance(error, grpc.RpcError):
            raise
        raise EmbedPipelineError(
            f"lost the job server ({_said(error)}): the job may go on{publishes}"
        ) from error
    say("canceling the job; interrupt again to leave it as it is")
    _cancel(result, run, described or "the job")
    raise KeyboardInterrupt


def _check_reached(options: PipelineOptions) -> None:
    """Find out at once whether the job server is there; Beam asks it in silence for minutes.

    Raises:
        EmbedPipelineError: Nobody listens there.
    """
    server = str(options.view_as(PortableOptions).job_endpoint or "")
    host, _, port = server.rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise EmbedPipelineError(
            f"no job server answers at {server} ({error}): start it, or correct beam.job_endpoint"
        ) from error


def _has_ended(result: PipelineResult) -> bool:
    """Tell whether a job has ended, as far as its engine can be asked."""
    try:
        return bool(PipelineState.is_terminal(result.state))
    except Exception:  # noqa: BLE001 (a runner raises what it likes)
        return False


def _given_up(run: Run) -> str:
    """See to it that a job that goes on publishes nothing; return whether it does, in words."""
    try:
        give_up(run)
    except OSError:
        return " and publish"
    return ", but publishes nothing"


def _said(error: grpc.RpcError) -> str:
    """Return what a call to a job server came to, in a line."""
    details = getattr(error, "details", lambda: None)()
    return " ".join(str(details or error).split())


def _check(state: str | None) -> None:
    """Raise what a runner does not: Dataflow's says nothing of a job that ended early."""
    if state in (PipelineState.CANCELLED, PipelineState.FAILED):
        raise EmbedPipelineError(f"the job ended with the state {state}; look into its log there")


def _cancel(result: PipelineResult, run: Run, described: str) -> None:
    """Cancel a job and wait until it has ended, so that it does not publish behind our back.

    Raises:
        GoesOn: It may go on.
    """
    until = time.monotonic() + ENDING_SECONDS
    problem: object = f"it has not ended within {ENDING_SECONDS:,.0f} s"
    publishes = _given_up(run)
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
        f"canceling failed ({problem}): {described} may go on{publishes}; cancel it where it runs"
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
