"""What an error says of a promise."""

import pytest

from embed_pipeline import errors
from embed_pipeline.verdict import Verdict, failed


@pytest.mark.parametrize(
    "error",
    [
        errors.WrongAnswer("2 vectors came back for 3 texts", 200),
        errors.VectorNotFinite("a vector holds NaN", 200),
        errors.RunnerCrashed("EOF", 400),
        errors.TextTooLong("too long", 400),
    ],
)
def test_an_answer_that_stays_wrong_breaks_a_promise(error: errors.EndpointError) -> None:
    assert failed("order", error, "do this") == Verdict("order", "broken", f"{error}; do this")


def test_an_answer_that_does_not_come_in_time_says_nothing() -> None:
    error = errors.RequestTimedOut("no answer in time")
    assert failed("order", error) == Verdict("order", "not known", "no answer in time")


def test_what_concerns_every_text_is_no_verdict() -> None:
    with pytest.raises(errors.Unauthorized):
        failed("order", errors.Unauthorized("401", 401))
