"""A second look at different texts with one vector: who shares rightly, and what is believed."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from embed_pipeline import audit as audits
from embed_pipeline import errors
from embed_pipeline.audit import Audit, marks_of
from embed_pipeline.client import Client, Embeds
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.limits import Limits
from embed_pipeline.outcomes import Effort
from embed_pipeline.probes import PROBES
from embed_pipeline.second_look import SecondLook
from embed_pipeline.sizing import Sizing
from embed_pipeline.tokenizer import from_model_info
from embed_pipeline.tokens import Tokens
from tests.support.scripted import (
    WORDS,
    Reply,
    ScriptedEndpoint,
    embedded,
    error,
    model_info,
)

BUSY = "server busy, please try again.  maximum pending requests exceeded"
UNCOUNTED = Limits(256, "server", True, None)


@pytest.fixture
def client(endpoint: ScriptedEndpoint) -> Iterator[Client]:
    with Client(Endpoint(url=endpoint.url, model="all-minilm"), Retry(attempts=3)) as found:
        yield found


def look_at(client: Embeds, limits: Limits = UNCOUNTED) -> SecondLook:
    return SecondLook(client, Audit(), Sizing(limits, Tokens()), Effort())


def seen(look: SecondLook, texts: Sequence[str]) -> None:
    """Send texts and look at the answer."""
    look.check(texts, look.client.embed(texts))


def inputs(endpoint: ScriptedEndpoint) -> list[list[str]]:
    return [request["input"] for request in endpoint.requests]


def without_case(texts: list[str]) -> Reply:
    """Be a script that gives texts that differ in case only the same vector."""
    return embedded([text.lower() for text in texts])


def once(asked: list[str], answered: list[str]) -> Callable[[list[str]], Reply | None]:
    """Return a script that answers this input with the vectors of those texts, once."""
    left = [answered]
    return lambda texts: embedded(left.pop()) if left and texts == asked else None


def test_texts_with_vectors_of_their_own_are_asked_for_once(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    look = look_at(client)
    seen(look, ["a", "b"])
    seen(look, ["c"])
    assert inputs(endpoint) == [["a", "b"], ["c"]]
    assert (look.effort.suspects, look.effort.requests) == (0, 0)


def test_texts_that_have_one_vector_alone_as_well_share_it_where_the_server_is_well(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script, look = without_case, look_at(client)
    seen(look, ["Sky", "sea", "sky"])
    assert inputs(endpoint) == [["Sky", "sea", "sky"], ["sky"], ["Sky"], list(PROBES)]
    assert (look.effort.suspects, look.effort.shared, look.effort.requests) == (1, 1, 3)


def test_texts_that_the_tokenizer_cannot_tell_apart_are_not_asked_for(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    tokenizer = from_model_info(model_info(WORDS))
    endpoint.script, look = without_case, look_at(client, Limits(256, "server", True, tokenizer))
    seen(look, ["Sky", "sea", "sky"])
    assert inputs(endpoint) == [["Sky", "sea", "sky"]]
    assert look.effort.shared == 1


def test_no_more_pairs_are_asked_for_than_a_process_may(
    endpoint: ScriptedEndpoint, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audits, "MOST_ASKED", 1)
    endpoint.script, look = without_case, look_at(client)
    for text in ("Sky", "sky", "Sea", "sea"):
        seen(look, [text])
    assert inputs(endpoint)[-3:] == [list(PROBES), ["Sea"], ["sea"]]


def test_two_texts_of_a_request_that_share_a_vector_wrongly_are_a_wrong_answer(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script, look = once(["a", "b"], ["a", "a"]), look_at(client)
    tries = client.embed(["a", "b"])._replace(answer=client.embed(["a", "a"]).answer)
    with pytest.raises(errors.WrongAnswer) as caught:
        look.check(["a", "b"], tries)
    assert (caught.value.attempts, caught.value.faults) == (0, {"WrongAnswer": 1})


def test_what_is_not_believed_is_not_remembered(endpoint: ScriptedEndpoint, client: Client) -> None:
    endpoint.script, look = once(["b", "c"], ["a", "c"]), look_at(client)
    seen(look, ["a"])
    with pytest.raises(errors.WrongAnswer, match="asked again, each alone, they do not"):
        seen(look, ["b", "c"])
    seen(look, ["b", "c"])
    marks = marks_of(client.embed(["b"]).answer.vectors)
    assert [suspect.other for suspect in look.audit.suspects(["d"], marks)] == ["b"]


def test_a_vector_that_was_wrong_before_is_contradicted(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script, look = once(["a"], ["b"]), look_at(client)
    seen(look, ["a"])
    with pytest.raises(errors.VectorsContradicted) as caught:
        seen(look, ["b"])
    assert caught.value.faults == {"VectorsContradicted": 1}


def test_a_server_that_is_stuck_contradicts_the_vectors_it_gave_before(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script = lambda texts: embedded(["stuck"] * len(texts))
    look = look_at(client)
    seen(look, ["a"])
    with pytest.raises(errors.VectorsContradicted):
        seen(look, ["b"])
    assert inputs(endpoint) == [["a"], ["b"], ["b"], ["a"], list(PROBES)]


def in_trouble(reply: Reply) -> Callable[[list[str]], Reply]:
    """Return a script that answers the first probes so, and texts whatever their case."""
    left = [reply]
    return lambda texts: left.pop() if left and texts == list(PROBES) else without_case(texts)


def test_a_server_that_is_too_busy_for_a_moment_contradicts_nothing(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script, look = in_trouble(error(503, BUSY)), look_at(client)
    seen(look, ["Sky"])
    seen(look, ["sky"])
    assert (look.effort.shared, look.effort.faults) == (1, {"Overloaded": 1})


def test_a_server_that_fails_meanwhile_contradicts_nothing(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script, look = in_trouble(error(500, "out of order")), look_at(client)
    seen(look, ["Sky"])
    with pytest.raises(errors.ServerFault):
        seen(look, ["sky"])
    assert look.effort.requests == 3  # ["sky"], and both alone; the error itself has its own count
    seen(look, ["sky"])
    assert look.effort.shared == 1
