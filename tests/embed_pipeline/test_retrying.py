"""The repetition of a request: its bounds, what it took, and what is told of it."""

import logging
from collections.abc import Callable

import pytest
import tenacity

from embed_pipeline import errors, interrupt
from embed_pipeline.endpoint import Retry
from embed_pipeline.retrying import TOLD_FROM, Tried, tried

AT_ONCE = tenacity.wait_none()


class Failing:
    """Fail with these errors, one a call, then succeed."""

    def __init__(self, *found: errors.EndpointError) -> None:
        self.left = list(found)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.left:
            raise self.left.pop(0)
        return "done"


def failures(kind: type[errors.EndpointError], number: int) -> list[errors.EndpointError]:
    return [kind("why") for _ in range(number)]


def elsewhere(error: errors.EndpointError) -> errors.EndpointError:
    """Return an error after which another address is there to try at once."""
    error.elsewhere = True
    return error


def run(
    failing: Callable[[], str], attempts: int, tries: int | None = None, *, patient: bool = False
) -> Tried[str]:
    """Try without waiting."""
    retry = Retry(attempts=attempts)
    return tried(retry, failing, tries, patient=patient, back_off=AT_ONCE)


@pytest.mark.parametrize(
    ("error", "tries", "patient", "calls"),
    [
        (errors.ConnectionFailed, None, False, 6),
        (errors.ConnectionLost, None, False, 3),
        (errors.RequestTimedOut, None, False, 1),
        (errors.RunnerCrashed, None, False, 3),
        (errors.RunnerCrashed, 1, False, 1),
        (errors.RunnerCrashed, None, True, 6),
        (errors.RequestTimedOut, None, True, 6),
        (errors.Overloaded, 1, False, 6),
        (errors.ModelNotFound, None, True, 1),
        (errors.ModelChanged, None, True, 1),
    ],
)
def test_how_often_it_is_tried(
    error: type[errors.EndpointError], tries: int | None, patient: bool, calls: int
) -> None:
    failing = Failing(*failures(error, 9))
    with pytest.raises(error) as found:
        run(failing, 6, tries, patient=patient)
    assert (failing.calls, found.value.attempts) == (calls, calls)
    assert found.value.faults == {error.__name__: calls}


def test_what_succeeds_in_the_end_tells_what_was_met_on_the_way() -> None:
    failing = Failing(errors.RunnerCrashed("why"), *failures(errors.ConnectionFailed, 2))
    got = run(failing, 9)
    assert (got.found, got.attempts) == ("done", 4)
    assert got.faults == {"ConnectionFailed": 2, "RunnerCrashed": 1}


def test_what_succeeds_at_once_took_one_try_and_met_nothing() -> None:
    got = run(Failing(), 9)
    assert got == Tried("done", 1, 0.0, 0.0, {}, (), got.seconds)
    assert got.seconds > 0


def test_tries_that_failed_are_told_one_by_one_and_their_time_is_the_time_lost() -> None:
    crashed = errors.RunnerCrashed("why")
    crashed.address = "http://one"
    got = tried(
        Retry(), Failing(crashed, errors.Overloaded("why")), back_off=tenacity.wait_fixed(0.01)
    )
    assert [one[:2] for one in got.failed_tries] == [
        ("RunnerCrashed", "http://one"),
        ("Overloaded", ""),
    ]
    assert all(one.seconds >= 0.01 for one in got.failed_tries)
    assert sum(one.seconds for one in got.failed_tries) == pytest.approx(got.lost_s)
    assert got.seconds >= got.lost_s


def test_an_error_that_is_the_end_tells_its_tries_one_by_one() -> None:
    with pytest.raises(errors.ConnectionFailed) as found:
        run(Failing(errors.Overloaded("why"), *failures(errors.ConnectionFailed, 9)), 3)
    assert [one.kind for one in found.value.failed_tries] == ["Overloaded"] + 2 * [
        "ConnectionFailed"
    ]
    lost = sum(one.seconds for one in found.value.failed_tries)
    assert lost == pytest.approx(found.value.lost_s)


def test_time_bounds_it_as_well() -> None:
    failing = Failing(errors.Overloaded("why", 503, retry_after=60.0))
    with pytest.raises(errors.Overloaded):
        tried(Retry(attempts=5, total_seconds=30), failing)
    assert failing.calls == 1


def test_time_waited_for_a_busy_endpoint_is_throttled_time() -> None:
    failing = Failing(errors.Overloaded("why"), errors.ConnectionFailed("why"))
    got = tried(Retry(), failing, back_off=tenacity.wait_fixed(0.01))
    assert (got.attempts, got.throttled_s) == (3, 0.01)
    assert got.lost_s >= 0.02


def test_retry_after_is_waited_for_where_it_is_longer_than_the_back_off() -> None:
    got = tried(Retry(), Failing(errors.Overloaded("why", 503, 0.02)), back_off=AT_ONCE)
    assert got.throttled_s == 0.02


def test_another_address_is_tried_at_once_whatever_the_error_asks_for() -> None:
    failing = Failing(*(elsewhere(errors.Overloaded("why", 503, 60.0)) for _ in range(3)))
    got = tried(Retry(total_seconds=30), failing)
    assert (got.attempts, got.throttled_s) == (4, 0.0)


def test_another_address_is_tried_even_after_an_error_that_is_permanent_at_this_one() -> None:
    got = run(Failing(elsewhere(errors.ModelNotFound("why"))), 9, tries=1)
    assert (got.attempts, got.faults) == (2, {"ModelNotFound": 1})


def test_an_error_that_may_lie_in_a_text_is_tried_at_one_other_address_at_most() -> None:
    failing = Failing(*(elsewhere(errors.RequestTimedOut("why")) for _ in range(9)))
    with pytest.raises(errors.RequestTimedOut):
        run(failing, 9)
    assert failing.calls == 2


def test_the_tries_of_an_error_are_those_that_failed_with_it() -> None:
    failing = Failing(*failures(errors.ConnectionFailed, 3), *failures(errors.RunnerCrashed, 9))
    with pytest.raises(errors.RunnerCrashed) as found:
        run(failing, 9)
    assert found.value.faults == {"ConnectionFailed": 3, "RunnerCrashed": 3}


def test_a_wait_is_told_once_it_is_worth_wondering_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failing = Failing(*failures(errors.ConnectionFailed, TOLD_FROM))
    with caplog.at_level(logging.WARNING, "embed_pipeline"):
        tried(Retry(), failing, back_off=tenacity.wait_fixed(0.01))
    assert caplog.messages == [f"why; waiting 0 s before try {TOLD_FROM + 1}"]


def test_where_nothing_is_waited_for_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    failing = Failing(*(elsewhere(errors.ConnectionFailed("why")) for _ in range(9)))
    with caplog.at_level(logging.WARNING, "embed_pipeline"):
        tried(Retry(), failing)
    assert caplog.messages == []


class StopsMeanwhile(tenacity.wait.wait_base):
    """Ask for a stop when a wait begins, which would be a long one."""

    def __call__(self, _: tenacity.RetryCallState) -> float:
        interrupt.request_stop(2)
        return 60.0


@pytest.mark.parametrize("error", [errors.ConnectionFailed("a"), elsewhere(errors.Overloaded("b"))])
def test_a_stop_ends_the_repetition(error: errors.EndpointError) -> None:
    interrupt.request_stop(2)
    failing = Failing(error)
    with pytest.raises(type(error)):
        run(failing, 5)
    assert failing.calls == 1


def test_a_stop_during_a_wait_is_the_stop() -> None:
    failing = Failing(errors.ConnectionFailed("why"))
    with pytest.raises(errors.InterruptedJobError):
        tried(Retry(), failing, back_off=StopsMeanwhile())
    assert failing.calls == 1
