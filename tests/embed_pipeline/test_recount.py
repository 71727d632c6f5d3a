"""A sample of rows: how many of their counts an endpoint confirms."""

from pathlib import Path

import numpy as np
import pytest

from embed_pipeline import errors, interrupt
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.progress import read_progress
from embed_pipeline.ranks import rank_of
from embed_pipeline.records import TokenCountSource
from embed_pipeline.recount import Sampled, contradicted, recount
from embed_pipeline.staging import Run, give_up
from tests.support.rows import RUN_ID
from tests.support.scripted import ScriptedEndpoint, error, scripted, vector_of

ONCE = Retry(attempts=1)


def asked(endpoint: ScriptedEndpoint, *sampled: Sampled, retry: Retry = ONCE) -> object:
    return recount(sampled, settings(endpoint), retry)


def settings(endpoint: ScriptedEndpoint) -> Endpoint:
    return Endpoint(url=endpoint.url, model="all-minilm")


def row(text: str, count: int, source: TokenCountSource = "verified") -> Sampled:
    return Sampled(rank_of(text), text, count, source, vector_of(text))


@pytest.mark.parametrize("source", ["server", "verified", "estimated"])
def test_a_row_with_another_vector_than_its_text_has_alone_is_an_error(
    endpoint: ScriptedEndpoint, source: TokenCountSource
) -> None:
    wrong = row("two", 3, source)._replace(vector=vector_of("one"))
    with pytest.raises(errors.VectorsContradicted, match="sent again alone, got another vector"):
        asked(endpoint, row("one", 3, source), wrong)


def test_a_row_with_a_vector_of_another_dimension_is_an_error(endpoint: ScriptedEndpoint) -> None:
    with pytest.raises(errors.VectorsContradicted):
        asked(endpoint, row("one", 3)._replace(vector=vector_of("one", 4)))


def test_vectors_that_differ_in_their_last_digits_are_the_same(endpoint: ScriptedEndpoint) -> None:
    nearly = vector_of("one") + np.float32(1e-3)
    nearly /= np.linalg.norm(nearly)
    found = asked(endpoint, row("one", 3)._replace(vector=nearly))
    assert found == {"verified": {"asked": 1, "agreed": 1}}


def test_a_row_with_the_servers_own_count_has_its_vector_checked_and_no_count(
    endpoint: ScriptedEndpoint,
) -> None:
    assert asked(endpoint, row("one", 3, "server")) == {}
    assert endpoint.texts == ["one"]


def test_each_text_is_sent_alone_as_it_was_sent_before(endpoint: ScriptedEndpoint) -> None:
    asked(endpoint, row("query: the sky", 5), row("query: the sea", 5))
    assert [request["input"] for request in endpoint.requests] == [
        ["query: the sky"],
        ["query: the sea"],
    ]


def test_asked_and_agreed_are_told_for_each_source(endpoint: ScriptedEndpoint) -> None:
    found = asked(
        endpoint,
        row("one", 3),
        row("one two", 4),
        row("one two three", 6),
        row("four", 3, "estimated"),
        row("five", 4, "estimated"),
    )
    assert found == {
        "estimated": {"asked": 2, "agreed": 1},
        "verified": {"asked": 3, "agreed": 2},
    }


def test_those_who_watch_the_run_are_told_from_the_first_request_on(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    run = Run(str(tmp_path), RUN_ID)
    told = []
    endpoint.script = lambda _: told.append(read_progress(run).checks)
    recount([row("one", 3), row("two", 3)], settings(endpoint), ONCE, run)
    assert told == [2, 2]


def test_a_run_that_was_given_up_asks_nothing(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    run = Run(str(tmp_path), RUN_ID)
    give_up(run)
    with pytest.raises(errors.InterruptedJobError):
        recount([row("one", 3)], settings(endpoint), ONCE, run)
    assert endpoint.texts == []


def test_nothing_to_ask_is_told_by_nothing(endpoint: ScriptedEndpoint) -> None:
    assert asked(endpoint) == {}
    assert endpoint.exchanges == []


@pytest.mark.parametrize("status", [400, 500, 503])
def test_a_text_that_gets_no_answer_is_not_counted(endpoint: ScriptedEndpoint, status: int) -> None:
    endpoint.script = lambda texts: error(status, "no") if texts == ["one"] else None
    assert asked(endpoint, row("one", 3), row("two", 3)) == {"verified": {"asked": 1, "agreed": 1}}


def test_an_answer_without_a_count_is_not_counted(endpoint: ScriptedEndpoint) -> None:
    endpoint.tells_count = False
    assert asked(endpoint, row("one", 3)) == {}


def test_a_text_that_fails_is_not_sent_again_however_patient_the_settings(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.script = lambda _: error(500, "no")
    assert asked(endpoint, row("one", 3), retry=Retry(attempts=30)) == {}
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("status", [500, 503])
def test_of_several_addresses_one_that_fails_is_not_asked_again(status: int) -> None:
    rows = [row(f"text {number}", 4) for number in range(20)]
    with scripted() as well, scripted() as dead:
        dead.script = lambda _: error(status, "dead")
        endpoint = Endpoint(url=[dead.url, well.url], model="all-minilm")
        found = recount(rows, endpoint, Retry(attempts=30))
        assert len(dead.requests) == 1
        assert found == {"verified": {"asked": len(well.requests), "agreed": len(well.requests)}}
        assert len(well.requests) >= 19


def test_where_the_other_address_fails_too_the_first_is_asked_again() -> None:
    with scripted() as one, scripted() as two:
        one.script = lambda _: error(500, "no") if len(one.requests) == 1 else None
        two.script = lambda _: error(500, "no") if len(two.requests) > 3 else None
        endpoint = Endpoint(url=[one.url, two.url], model="all-minilm")
        found = recount([row(f"text {n}", 4) for n in range(20)], endpoint, Retry())
        assert found["verified"]["asked"] > 6


def test_a_stop_ends_the_asking(endpoint: ScriptedEndpoint) -> None:
    interrupt.request_stop(15)
    assert asked(endpoint, row("one", 3)) == {}
    assert endpoint.requests == []


def test_verified_counts_that_a_sample_contradicts_are_told() -> None:
    warned = contradicted({"verified": {"asked": 91, "agreed": 14}})
    assert warned is not None
    assert warned.startswith("only 14 of 91 verified token counts were confirmed")


def test_a_sample_that_confirms_most_counts_says_nothing() -> None:
    assert contradicted({"verified": {"asked": 100, "agreed": 90}}) is None
    assert contradicted({"estimated": {"asked": 100, "agreed": 0}}) is None
    assert contradicted({}) is None
