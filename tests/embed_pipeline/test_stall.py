"""The circuit of a whole job: for how long nothing has succeeded."""

import pytest

from embed_pipeline.errors import NothingSucceeds, ServerFault
from embed_pipeline.stall import Stall

ERROR = ServerFault("POST URL: 500 out of order", 500)


def test_time_in_which_nothing_succeeds_is_added_up_until_it_is_too_long() -> None:
    stall = Stall(10)
    stall.failed(0, 4, ERROR)
    stall.failed(4, 9, ERROR)
    with pytest.raises(NothingSucceeds):
        stall.failed(9, 10, ERROR)


def test_the_error_says_for_how_long_and_what_was_the_last_one() -> None:
    with pytest.raises(NothingSucceeds) as caught:
        Stall(10).failed(0, 11, ERROR)
    assert caught.value.status == 500
    assert str(caught.value) == (
        "no text has got a vector for 10 s (retry.stalled_seconds), so the job stops instead of "
        "failing one text after the other; the last error: POST URL: 500 out of order"
    )


def test_time_without_a_request_does_not_count() -> None:
    stall = Stall(10)
    stall.failed(0, 4, ERROR)
    stall.failed(100_000, 100_005, ERROR)
    with pytest.raises(NothingSucceeds):
        stall.failed(200_000, 200_001, ERROR)


def test_time_of_requests_that_were_under_way_together_counts_once() -> None:
    stall = Stall(10)
    for _ in range(50):
        stall.failed(0, 9, ERROR)
    stall.failed(5, 9.5, ERROR)
    stall.failed(1, 2, ERROR)
    with pytest.raises(NothingSucceeds):
        stall.failed(2, 10, ERROR)


def test_a_success_resets_it() -> None:
    stall = Stall(10)
    stall.failed(0, 9, ERROR)
    stall.succeeded(9)
    stall.failed(9, 18, ERROR)
    with pytest.raises(NothingSucceeds):
        stall.failed(18, 19, ERROR)


def test_time_before_a_success_does_not_count_though_the_request_was_under_way_then() -> None:
    stall = Stall(10)
    stall.failed(0, 1, ERROR)
    stall.succeeded(9)  # of a request sent at 1
    stall.failed(1, 12, ERROR)
