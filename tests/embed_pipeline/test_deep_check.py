"""Every promise tried; and the short form of it at the start of a run."""

from collections.abc import Callable, Iterator

import pytest

from embed_pipeline import errors
from embed_pipeline.batch_checks import FEW_TEXTS, TEXTS
from embed_pipeline.client import Client
from embed_pipeline.deep_check import PROMISES, deep_check, short_check, stop_where_broken
from embed_pipeline.embedded.process import EmbeddedProcess, start_embedded
from embed_pipeline.endpoint import Batching, Endpoint, Retry
from embed_pipeline.engine import inspect
from embed_pipeline.verdict import Finding, Verdict
from tests.support.scripted import Reply, ScriptedEndpoint, error
from tests.support.scripted import embedded as answering

ONCE = Retry(attempts=1)


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedProcess]:
    with start_embedded() as process:
        yield process


def settings(endpoint: ScriptedEndpoint, model: str = "other") -> Endpoint:
    endpoint.models = [f"{model}:latest"]
    # so that nobody waits for the scripted model to go
    endpoint.expires_at = "2999-01-01T00:00:00Z"
    return Endpoint(url=endpoint.url.replace("http://", "http://alice:secret@"), model=model)


def judged(
    endpoint: ScriptedEndpoint, script: Callable[[list[str]], Reply | None]
) -> list[Verdict]:
    found = inspect(settings(endpoint), ONCE)
    endpoint.script = script
    return list(deep_check(settings(endpoint), ONCE, found))


def verdicts(found: list[Verdict]) -> dict[str, Finding]:
    return {one.name: one.verdict for one in found}


def in_wrong_order(texts: list[str]) -> Reply:
    return answering(texts[::-1])


def sorted_by_length(texts: list[str]) -> Reply:
    return answering(sorted(texts, key=len))


def spoilt_in_batches(texts: list[str]) -> Reply:
    return answering(texts if len(texts) == 1 else [f"{text}." for text in texts])


def one_for_all(texts: list[str]) -> Reply:
    return answering(["the same"] * len(texts))


def test_the_embedded_endpoint_keeps_every_promise(embedded: EmbeddedProcess) -> None:
    endpoint = Endpoint(url=embedded.url, model="all-minilm")
    found = list(deep_check(endpoint, ONCE, inspect(endpoint, ONCE)))
    expected = [name for name in PROMISES if name != "vectors as published"]
    assert [(one.name, one.verdict) for one in found] == [(name, "holds") for name in expected]


def test_the_embedded_endpoint_passes_the_short_form(embedded: EmbeddedProcess) -> None:
    with Client(Endpoint(url=embedded.url, model="all-minilm"), ONCE) as client:
        found = short_check(client)
    assert verdicts(found) == dict.fromkeys(
        ("order", "batch against single", "determinism"), "holds"
    )


def test_what_a_plain_server_promises(endpoint: ScriptedEndpoint) -> None:
    found = verdicts(judged(endpoint, lambda _: None))
    assert set(PROMISES) - set(found) == {"vectors as published"}
    assert {name for name, one in found.items() if one != "holds"} == {"keep_alive expiry"}


@pytest.mark.parametrize(
    ("script", "name"),
    [
        (in_wrong_order, "order"),
        (sorted_by_length, "order"),
        (spoilt_in_batches, "batch against single"),
        (one_for_all, "vectors"),
    ],
)
def test_a_broken_batch_is_found_out(
    endpoint: ScriptedEndpoint, script: Callable[[list[str]], Reply], name: str
) -> None:
    assert verdicts(judged(endpoint, script))[name] == "broken"


def test_wrong_answers_to_plain_texts_break_the_first_promise(endpoint: ScriptedEndpoint) -> None:
    found = judged(endpoint, lambda texts: answering(texts[1:]) if texts == list(TEXTS) else None)
    assert found[0][:2] == ("vectors", "broken")
    assert "17 vectors came back for 18 texts" in found[0].detail
    assert [one[:2] for one in found[1:4]] == [
        ("order", "not known"),
        ("batch against single", "not known"),
        ("determinism", "not known"),
    ]
    assert verdicts(found)["truncation"] == "holds"


@pytest.mark.parametrize("texts", [[""], [FEW_TEXTS[0], "", FEW_TEXTS[1]]])
def test_an_empty_text_without_a_vector_is_found_out(
    endpoint: ScriptedEndpoint, texts: list[str]
) -> None:
    def script(asked: list[str]) -> Reply | None:
        return answering([text for text in asked if text]) if asked == texts else None

    found = {one.name: one for one in judged(endpoint, script)}["empty text"]
    assert found.verdict == "broken"
    assert f"{len(texts) - 1} vectors came back for {len(texts)} texts" in found.detail


def test_a_server_that_goes_away_is_an_error(endpoint: ScriptedEndpoint) -> None:
    with pytest.raises(errors.Unauthorized):
        judged(endpoint, lambda _: error(401, "unauthorized"))


def short(endpoint: ScriptedEndpoint, script: Callable[[list[str]], Reply | None]) -> list[Verdict]:
    endpoint.scripts_check, endpoint.script = True, script
    with Client(settings(endpoint), ONCE) as client:
        return short_check(client)


def test_the_short_form_takes_four_requests_of_eight_texts(endpoint: ScriptedEndpoint) -> None:
    short(endpoint, lambda _: None)
    assert [request["input"] for request in endpoint.requests] == [
        [FEW_TEXTS[0]],
        [FEW_TEXTS[1]],
        list(FEW_TEXTS),
        list(FEW_TEXTS),
    ]
    assert endpoint.loads == 1


@pytest.mark.parametrize(
    ("script", "name"),
    [
        (in_wrong_order, "order"),
        (sorted_by_length, "order"),
        (one_for_all, "vectors"),
        (spoilt_in_batches, "batch against single"),
    ],
)
def test_a_run_stops_where_batches_are_broken(
    endpoint: ScriptedEndpoint, script: Callable[[list[str]], Reply], name: str
) -> None:
    found = short(endpoint, script)
    with pytest.raises(errors.VectorsContradicted) as caught:
        stop_where_broken(found, settings(endpoint), Batching())
    assert str(caught.value).startswith(f"{endpoint.url}: the check of '{name}' failed: ")
    assert "nothing was embedded (`embed-pipeline check --deep` tells more)" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.exit_code == 1


def test_a_run_of_single_texts_goes_on_with_a_warning(endpoint: ScriptedEndpoint) -> None:
    found = short(endpoint, in_wrong_order)
    (warning,) = stop_where_broken(found, settings(endpoint), Batching(max_texts=1))
    assert warning.startswith(f"{endpoint.url}: the check of 'order' failed: ")


def test_one_vector_for_all_texts_stops_a_run_of_single_texts_too(
    endpoint: ScriptedEndpoint,
) -> None:
    found = short(endpoint, one_for_all)
    with pytest.raises(errors.VectorsContradicted, match="texts 1 and 2 of 2 share a vector"):
        stop_where_broken(found, settings(endpoint), Batching(max_texts=1))


def test_of_vectors_that_vary_a_run_only_warns(endpoint: ScriptedEndpoint) -> None:
    first = Verdict("order", "holds", "good")
    vary = Verdict("determinism", "broken", "values lie 1e-04 apart")
    assert stop_where_broken([first, vary], settings(endpoint), Batching()) == [
        f"{endpoint.url}: the check of 'determinism' failed: values lie 1e-04 apart"
    ]


@pytest.mark.parametrize(
    "answer",
    [
        error(503, "server busy"),
        error(500, "unknown"),
        error(400, "the input length exceeds the context length"),
        answering([]),
    ],
)
def test_of_trouble_that_may_pass_a_run_only_warns(
    endpoint: ScriptedEndpoint, answer: Reply
) -> None:
    found = short(endpoint, lambda _: answer)
    assert verdicts(found) == {"vectors": "not known"}
    (warning,) = stop_where_broken(found, settings(endpoint), Batching())
    assert warning.startswith(f"{endpoint.url}: the check of 'vectors' tells nothing: ")


def test_what_no_text_can_survive_is_an_error_at_once(endpoint: ScriptedEndpoint) -> None:
    with pytest.raises(errors.CannotEmbed):
        short(endpoint, lambda _: error(501, "this model does not support embeddings"))
