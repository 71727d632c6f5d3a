"""The repetition of a request: how often, how long, what it took, and what is told of it."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
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
        failed_tries: Those tries, one by one.
        seconds: From the first try to the end of the good one.
    """

    found: T
    attempts: int
    lost_s: float
    throttled_s: float
    faults: Mapping[str, int]
    failed_tries: Sequence[errors.FailedTry]
    seconds: float


def tried(
    retry: Retry,
    once: Callable[[], T],
    tries: int | None = None,
    *,
    patient: bool = False,
    back_off: tenacity.wait.wait_base = BACK_OFF,
    request: str = "",
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
        request: What the log calls it, where errors do not name their address.

    Raises:
        EndpointError: The last try's; it tells what all of them took.
        InterruptedJobError: A stop was asked for while waiting to try again.
    """
    repetition = _Repetition(tries, patient=patient, back_off=back_off, request=request)
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(retry.attempts)
        | tenacity.stop_before_delay(retry.total_seconds),
        wait=repetition.wait,
        retry=repetition.is_worth_it,
        sleep=_sleep,
        before_sleep=_tell,
        reraise=True,
    )
    try:
        found = retrying(lambda: repetition.counted(once))
    except errors.EndpointError as error:
        repetition.tell(error)
        raise
    return repetition.ended_with(found)


class _Repetition:
    """Decide whether one request is repeated and when, and count what that took."""

    def __init__(
        self,
        tries: int | None,
        *,
        patient: bool,
        back_off: tenacity.wait.wait_base,
        request: str,
    ) -> None:
        self._tries = tries
        self._patient = patient
        self._back_off = back_off
        self._request = f"{request}: " if request else ""
        self._faults: Counter[str] = Counter()
        self._failed: list[errors.EndpointError] = []
        self._sent: list[float] = []  # when each of those was
        self._throttled_s = 0.0
        self._moved = False  # to another address, for an error that may lie in a text
        self._began = self._last = time.monotonic()

    def counted(self, once: Callable[[], T]) -> T:
        """Send the request, and count the error that may bring."""
        self._last = time.monotonic()
        try:
            return once()
        except errors.EndpointError as error:
            self._faults[type(error).__name__] += 1
            self._failed.append(error)
            self._sent.append(self._last)
            took = (time.monotonic() - self._last) * 1000
            _log.debug("%s%s after %.0f ms", self._request, _named(error), took)
            raise

    def is_worth_it(self, state: tenacity.RetryCallState) -> bool:
        """Tell whether another try may help."""
        error = _error_of(state)
        if not isinstance(error, errors.EndpointError) or interrupt.stop_requested():
            return False
        if error.elsewhere and (error.scope == "job" or not self._moved):
            self._moved = True
            return True
        if not isinstance(error, errors.TransientError):
            return False
        if self._patient:
            return True
        if self._tries is not None and error.scope == "text":
            return self._faults.total() < self._tries
        return error.tries is None or self._faults[type(error).__name__] < error.tries

    def wait(self, state: tenacity.RetryCallState) -> float:
        """Return the seconds to wait before another try."""
        error = _error_of(state)
        if not isinstance(error, errors.EndpointError) or error.elsewhere:
            return 0.0
        seconds = max(error.retry_after or 0.0, self._back_off(state))
        if isinstance(error, errors.Overloaded):
            self._throttled_s += seconds
        return seconds

    def tell(self, error: errors.EndpointError) -> None:
        """Write into the last error what all tries took."""
        now = time.monotonic()
        error.attempts = self._faults.total()
        error.lost_s = now - self._began
        error.throttled_s = self._throttled_s
        error.faults = dict(self._faults)
        error.failed_tries = self._failed_tries(now)

    def ended_with(self, found: T) -> Tried[T]:
        """Return what was found, with what all tries took."""
        attempts = self._faults.total() + 1
        lost_s = self._last - self._began if self._faults else 0.0
        failed = self._failed_tries(self._last) if self._faults else ()
        took = time.monotonic() - self._began
        return Tried(found, attempts, lost_s, self._throttled_s, self._faults, failed, took)

    def _failed_tries(self, until: float) -> Sequence[errors.FailedTry]:
        """Return the tries that failed; each took until the next was sent."""
        times = [self._began, *self._sent[1:], until]
        return [
            errors.FailedTry(type(error).__name__, error.address, end - begin)
            for error, (begin, end) in zip(self._failed, pairwise(times), strict=True)
        ]


def _error_of(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _tell(state: tenacity.RetryCallState) -> None:
    """Tell of a wait that somebody who watches would wonder about."""
    error = _error_of(state)
    seconds = state.next_action.sleep if state.next_action else 0.0
    if not seconds or not isinstance(error, errors.EndpointError):
        return
    if state.attempt_number < TOLD_FROM:
        told = "%s; waiting %.1f s before try %d"
        _log.debug(told, _named(error), seconds, state.attempt_number + 1)
    else:
        _log.warning("%s; waiting %.0f s before try %d", error, seconds, state.attempt_number + 1)


def _named(error: errors.EndpointError) -> str:
    """Return what an error is, without what the endpoint says: it may repeat texts."""
    status = f" ({error.status})" if error.status else ""
    return f"{type(error).__name__}{status}{f' at {error.address}' if error.address else ''}"


def _sleep(seconds: float) -> None:
    """Wait before another try.

    Raises:
        InterruptedJobError: A stop was asked for.
    """
    if interrupt.wait(seconds):
        raise errors.InterruptedJobError("stopped while waiting for the endpoint")
