"""The repetition of a request: how often, how long, and what is told of it."""

import logging
from collections.abc import Callable
from typing import TypeVar

import tenacity

from embed_pipeline import errors, interrupt
from embed_pipeline.endpoint import Retry

T = TypeVar("T")

_log = logging.getLogger("embed_pipeline")
TOLD_FROM = 3  # tries that have failed, before a log line tells of them
FIRST_WAIT = 0.5  # seconds, doubled at each try, fully jittered
LONGEST_WAIT = 30.0


def retrying_of(
    retry: Retry, tries: int | None = None, *, patient: bool = False
) -> tenacity.Retrying:
    """Return the repetition of one request: attempts and time are both bounded.

    Waits are exponential with full jitter; Retry-After is honored. What was waited because the
    endpoint was too busy, in seconds, is in its statistics as "throttled".

    Args:
        retry: The bounds.
        tries: Tries at most where the error may lie in a text; None leaves that to the error's
            own bound. Errors of the server are tried as often as the settings say.
        patient: Try every transient error as often as the settings say.
    """
    back_off = tenacity.wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT)

    def worth_trying(state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, errors.TransientError) or interrupt.stop_requested():
            return False
        if patient:
            return True
        if tries is not None and error.scope == "text":
            return state.attempt_number < tries
        return error.tries is None or state.attempt_number < error.tries

    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = getattr(error, "retry_after", None) or 0.0
        seconds = max(asked, back_off(state))
        if isinstance(error, errors.Overloaded):
            statistics = state.retry_object.statistics
            statistics["throttled"] = statistics.get("throttled", 0.0) + seconds
        return seconds

    return tenacity.Retrying(
        stop=tenacity.stop_after_attempt(retry.attempts)
        | tenacity.stop_before_delay(retry.total_seconds),
        wait=wait,
        retry=worth_trying,
        sleep=_sleep,
        before_sleep=_tell,
        reraise=True,
    )


def tried(retrying: tenacity.Retrying, once: Callable[[], T]) -> T:
    """Try until it succeeds or the bounds are reached; an error tells how often it was tried."""
    try:
        return retrying(once)
    except errors.EndpointError as error:
        error.attempts = retrying.statistics["attempt_number"]
        raise


def _tell(state: tenacity.RetryCallState) -> None:
    """Tell of a wait that somebody who watches would wonder about."""
    error = state.outcome.exception() if state.outcome else None
    seconds = state.next_action.sleep if state.next_action else 0.0
    if state.attempt_number >= TOLD_FROM:
        _log.warning("%s; waiting %.0f s before try %d", error, seconds, state.attempt_number + 1)


def _sleep(seconds: float) -> None:
    """Wait before another try.

    Raises:
        InterruptedJobError: A stop was asked for.
    """
    if interrupt.wait(seconds):
        raise errors.InterruptedJobError("stopped while waiting for the endpoint")
