"""The repetition of a request: how often, how long, what it took, and what is told of it."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeVar

import tenacity

from embed_pipeline import errors, interrupt
from embed_pipeline.endpoint import Retry

T = TypeVar("T")

_log = logging.getLogger("embed_pipeline")
TOLD_FROM = 3  # tries that have failed, before a log line tells of them
FIRST_WAIT = 0.5  # seconds, doubled at each try, fully jittered
LONGEST_WAIT = 30.0
BACK_OFF = tenacity.wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT)


class Tried(NamedTuple, Generic[T]):
    """Hold what a request brought in the end, and what it took.

    Attributes:
        found: What it brought.
        attempts: Requests sent, the good one included.
        lost_s: Seconds of those that failed, and of the waits after them.
        throttled_s: Seconds waited because the endpoint was too busy.
        faults: How often each kind of error was met.
    """

    found: T
    attempts: int
    lost_s: float
    throttled_s: float
    faults: Mapping[str, int]


def tried(
    retry: Retry,
    once: Callable[[], T],
    tries: int | None = None,
    *,
    patient: bool = False,
    back_off: tenacity.wait.wait_base = BACK_OFF,
) -> Tried[T]:
    """Try until it succeeds or the bounds are reached: attempts and time are both bounded.

    Waits are exponential with full jitter; Retry-After is honored.

    Args:
        retry: The bounds.
        once: Sends the request once.
        tries: Tries at most where the error may lie in a text; None leaves that to the error's
            own bound. Errors of the server are tried as often as the settings say.
        patient: Try every transient error as often as the settings say.
        back_off: How long to wait before another try.

    Raises:
        EndpointError: The last try's; it tells what all of them took.
        InterruptedJobError: A stop was asked for while waiting to try again.
    """
    faults: Counter[str] = Counter()
    throttled_s = 0.0
    began = last = time.monotonic()

    def counted() -> T:
        nonlocal last
        last = time.monotonic()
        try:
            return once()
        except errors.EndpointError as error:
            faults[type(error).__name__] += 1
            raise

    def worth_trying(state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, errors.EndpointError) and error.elsewhere:
            return not interrupt.stop_requested()
        if not isinstance(error, errors.TransientError) or interrupt.stop_requested():
            return False
        if patient:
            return True
        if tries is not None and error.scope == "text":
            return state.attempt_number < tries
        return error.tries is None or state.attempt_number < error.tries

    def wait(state: tenacity.RetryCallState) -> float:
        nonlocal throttled_s
        error = state.outcome.exception() if state.outcome else None
        if getattr(error, "elsewhere", False):
            return 0.0
        seconds = max(getattr(error, "retry_after", None) or 0.0, back_off(state))
        if isinstance(error, errors.Overloaded):
            throttled_s += seconds
        return seconds

    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(retry.attempts)
        | tenacity.stop_before_delay(retry.total_seconds),
        wait=wait,
        retry=worth_trying,
        sleep=_sleep,
        before_sleep=_tell,
        reraise=True,
    )
    try:
        found = retrying(counted)
    except errors.EndpointError as error:
        error.attempts = faults.total()
        error.lost_s = time.monotonic() - began
        error.throttled_s = throttled_s
        error.faults = dict(faults)
        raise
    return Tried(found, faults.total() + 1, last - began, throttled_s, faults)


def _tell(state: tenacity.RetryCallState) -> None:
    """Tell of a wait that somebody who watches would wonder about."""
    error = state.outcome.exception() if state.outcome else None
    seconds = state.next_action.sleep if state.next_action else 0.0
    if state.attempt_number >= TOLD_FROM and seconds:
        _log.warning("%s; waiting %.0f s before try %d", error, seconds, state.attempt_number + 1)


def _sleep(seconds: float) -> None:
    """Wait before another try.

    Raises:
        InterruptedJobError: A stop was asked for.
    """
    if interrupt.wait(seconds):
        raise errors.InterruptedJobError("stopped while waiting for the endpoint")
