"""The repetition of a request: its bounds, and what is told of it."""

import logging

import pytest

from embed_pipeline import errors, interrupt
from embed_pipeline.endpoint import Retry
from embed_pipeline.retrying import TOLD_FROM, retrying_of, tried


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


def quick(error: type[errors.EndpointError]) -> errors.EndpointError:
    """Return an error; waits are random, from nothing up."""
    return error("why")


def run(failing: Failing, attempts: int, tries: int | None = None, *, patient: bool = False) -> str:
    retrying = retrying_of(Retry(attempts=attempts), tries, patient=patient)
    return tried(retrying.copy(wait=lambda _: 0.0), failing)


@pytest.mark.parametrize(
    ("error", "tries", "patient", "calls"),
    [
        (errors.ConnectionFailed, None, False, 6),
        (errors.RunnerCrashed, None, False, 3),
        (errors.RunnerCrashed, 1, False, 1),
        (errors.RunnerCrashed, None, True, 6),
        (errors.Overloaded, 1, False, 6),
        (errors.ModelNotFound, None, True, 1),
    ],
)
def test_how_often_it_is_tried(
    error: type[errors.EndpointError], tries: int | None, patient: bool, calls: int
) -> None:
    failing = Failing(*(quick(error) for _ in range(9)))
    with pytest.raises(error) as found:
        run(failing, 6, tries, patient=patient)
    assert (failing.calls, found.value.attempts) == (calls, calls)


def test_time_bounds_it_as_well() -> None:
    failing = Failing(errors.Overloaded("why", 503, retry_after=60.0))
    with pytest.raises(errors.Overloaded):
        tried(retrying_of(Retry(attempts=5, total_seconds=30)), failing)
    assert failing.calls == 1


def test_a_wait_is_told_once_it_is_worth_wondering_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "embed_pipeline"):
        run(Failing(*(quick(errors.ConnectionFailed) for _ in range(TOLD_FROM))), 9)
    assert caplog.messages == [f"why; waiting 0 s before try {TOLD_FROM + 1}"]


def test_a_stop_ends_the_waiting() -> None:
    interrupt.request_stop(2)
    failing = Failing(quick(errors.ConnectionFailed))
    with pytest.raises((errors.InterruptedJobError, errors.ConnectionFailed)):
        run(failing, 5)
    assert failing.calls == 1
