"""What it took to embed texts, added up."""

import numpy as np

from embed_pipeline.answer import Answer
from embed_pipeline.client import Tries
from embed_pipeline.errors import EndpointError, FailedTry, RunnerCrashed, WrongAnswer
from embed_pipeline.outcomes import Answered, Effort, added_up


def tries(texts: int, attempts: int, tokens: int | None, wall_ms: int = 12) -> Tries:
    answer = Answer(np.zeros((texts, 8), np.float32), tokens, 5_000_000, 1_500_000)
    faults = [FailedTry("ConnectionFailed", "http://one", 0.5)] * (attempts - 1)
    counted = {"ConnectionFailed": attempts - 1}
    return Tries(
        answer, attempts, wall_ms, 0.25, 1.5, False, counted, faults, "http://two", seconds=2.0
    )


def failed(attempts: int) -> EndpointError:
    """Return the error of a request that was tried so often."""
    error = RunnerCrashed("why")
    error.attempts, error.lost_s, error.throttled_s = attempts, 4.0, 0.5
    error.faults = {"RunnerCrashed": 1, "Overloaded": attempts - 1}
    error.failed_tries = [FailedTry("RunnerCrashed", "http://one", 4.0)]
    return error


def test_nothing_was_sent_at_first() -> None:
    assert set(Effort().totals().values()) == {0}


def test_a_request_that_failed_counts_its_tries_and_what_they_took() -> None:
    effort = Effort()
    effort.count(failed(3))
    assert effort == Effort(
        requests=3,
        retries=2,
        lost_s=4.0,
        throttled_s=0.5,
        faults={"RunnerCrashed": 1, "Overloaded": 2},
        failed_tries=[FailedTry("RunnerCrashed", "http://one", 4.0)],
        asked_s=4.0,
    )


def test_an_error_whose_requests_are_counted_already_counts_as_a_fault_only() -> None:
    error = WrongAnswer("two texts, one vector")
    error.attempts, error.faults = 0, {"WrongAnswer": 1}
    effort = Effort()
    effort.count(error)
    assert effort == Effort(faults={"WrongAnswer": 1})


def test_a_request_that_succeeded_counts_with_all_it_took() -> None:
    effort = Effort()
    effort.add(tries(2, 1, 9))
    effort.add(tries(3, 4, 11, 20))
    assert effort == Effort(
        requests=5,
        retries=3,
        tokens=20,
        server_ms=10.0,
        load_ms=3.0,
        throttled_s=0.5,
        lost_s=3.0,
        faults={"ConnectionFailed": 3},
        request_ms=[12, 20],
        batch_texts=[2, 3],
        answered=[
            Answered("http://two", 2, 9, 12, 5_000_000, 1_500_000),
            Answered("http://two", 3, 11, 20, 5_000_000, 1_500_000),
        ],
        failed_tries=[FailedTry("ConnectionFailed", "http://one", 0.5)] * 3,
        asked_s=4.0,
    )


def test_a_request_that_only_finds_something_out_brings_no_text_of_the_corpus() -> None:
    effort = Effort()
    effort.count(tries(2, 1, 9))
    assert effort.answered == [Answered("http://two", 0, 0, 12, 5_000_000, 1_500_000)]
    assert (effort.requests, effort.tokens, effort.asked_s) == (1, 0, 2.0)


def test_a_request_that_waited_for_the_model_counts_as_a_reload() -> None:
    effort = Effort()
    effort.add(tries(1, 1, 3)._replace(reloaded=True))
    effort.add(tries(1, 1, 3))
    assert effort.reloads == 1


def test_the_totals_are_in_seconds_with_each_kind_of_fault_by_name() -> None:
    effort = Effort()
    effort.add(tries(2, 3, 9))
    effort.count(failed(1))
    effort.isolated, effort.suspects, effort.shared = 1, 4, 2
    assert effort.totals() == {
        "requests": 4,
        "retries": 2,
        "server_s": 0.005,
        "load_s": 0.0015,
        "throttled_s": 0.75,
        "lost_s": 5.5,
        "reloads": 0,
        "isolated": 1,
        "suspects": 4,
        "shared": 2,
        "faults.ConnectionFailed": 2,
        "faults.RunnerCrashed": 1,
        "faults.Overloaded": 0,
    }


def test_tallies_are_added_up_name_by_name() -> None:
    one: dict[str, float] = {"requests": 2, "lost_s": 0.5}
    other: dict[str, float] = {"requests": 3, "faults.Overloaded": 1}
    assert added_up([one, other]) == {"requests": 5, "lost_s": 0.5, "faults.Overloaded": 1}


def test_an_answer_without_a_count_adds_no_tokens() -> None:
    effort = Effort()
    effort.add(tries(1, 1, None))
    assert (effort.requests, effort.tokens) == (1, 0)


def test_efforts_share_no_lists() -> None:
    Effort().add(tries(1, 1, 3))
    assert Effort().request_ms == []
