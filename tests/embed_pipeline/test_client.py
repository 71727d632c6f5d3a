"""The client, against real servers: what it sends, what it repeats, and what errors become."""

import json
from pathlib import Path
from typing import Any

import pytest

from embed_pipeline import errors
from embed_pipeline.client import SHOWN_BODY, SMALL_BODY, VECTOR_BYTES, Client
from embed_pipeline.endpoint import Auth, Endpoint, Retry, Timeouts
from tests.support.scripted import WORDS, Reply, ScriptedEndpoint, embedded, error, rotating

ONCE = Retry(attempts=1)
BUSY = "server busy, please try again.  maximum pending requests exceeded"
CRASH = 'do embedding request: Post "http://127.0.0.1:38653/embedding": EOF'
SHORT = Timeouts(connect=1, load=1, read=0.3)


def client(endpoint: ScriptedEndpoint, retry: Retry = ONCE, **values: Any) -> Client:
    """Return a client of a scripted endpoint."""
    return Client(Endpoint(url=endpoint.url, model="all-minilm", **values), retry)


# What is sent


def test_the_load_request_and_the_embed_request_carry_the_same_fields_and_headers(
    endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBED_TOKEN", "t0ken")
    with client(
        endpoint,
        options={"num_ctx": 512},
        dimensions=4,
        keep_alive="10m",
        headers={"X-Team": "search"},
        auth=Auth(env="EMBED_TOKEN"),
    ) as found:
        found.load()
        found.embed(["a", "b"])
        found.get("/api/version")
    assert [each.path for each in endpoint.exchanges] == [
        "/api/ps",
        "/api/embed",
        "/api/embed",
        "/api/version",
    ]
    fields = {
        "model": "all-minilm",
        "dimensions": 4,
        "options": {"num_ctx": 512},
        "keep_alive": "10m",
    }
    assert endpoint.exchanges[1].body == {**fields, "input": []}
    assert endpoint.exchanges[2].body == {**fields, "truncate": False, "input": ["a", "b"]}
    for each in endpoint.exchanges:
        assert each.headers["x-team"] == "search"
        assert each.headers["authorization"] == "Bearer t0ken"


def test_what_is_not_set_is_not_sent(endpoint: ScriptedEndpoint) -> None:
    with client(endpoint) as found:
        found.embed(["a"])
    assert endpoint.requests == [
        {"model": "all-minilm", "keep_alive": "30m", "truncate": False, "input": ["a"]}
    ]


def test_a_text_may_be_cut_only_where_that_is_asked_for(endpoint: ScriptedEndpoint) -> None:
    with client(endpoint) as found:
        found.embed(["a"], truncate=True)
        found.embed(["a"])
    assert [request["truncate"] for request in endpoint.requests] == [True, False]


def test_the_model_is_shown_with_its_vocabulary(endpoint: ScriptedEndpoint) -> None:
    endpoint.vocabulary = [*WORDS, "▁a"]
    with client(endpoint) as found:
        shown = found.show()
    assert shown["model_info"]["tokenizer.ggml.tokens"] == ["[UNK]", "[CLS]", "[SEP]", "▁a"]
    (asked,) = endpoint.exchanges
    assert (asked.path, asked.body) == ("/api/show", {"model": "all-minilm", "verbose": True})


def test_a_vocabulary_may_be_larger_than_other_answers(endpoint: ScriptedEndpoint) -> None:
    body = json.dumps({"model_info": {"tokenizer.ggml.tokens": ["x" * 2 * SMALL_BODY]}}).encode()
    endpoint.paths["/api/show"] = Reply(200, body)
    with client(endpoint) as found:
        assert len(found.show()["model_info"]["tokenizer.ggml.tokens"][0]) == 2 * SMALL_BODY


def test_a_vocabulary_that_is_too_large_is_given_up(endpoint: ScriptedEndpoint) -> None:
    endpoint.paths["/api/show"] = Reply(200, b" " * (SHOWN_BODY + 1))
    with client(endpoint) as found, pytest.raises(errors.WrongAnswer):
        found.show()


def test_a_busy_endpoint_is_asked_again_to_show_the_model(endpoint: ScriptedEndpoint) -> None:
    endpoint.vocabulary = WORDS
    endpoint.paths = {"/api/show": [error(503, BUSY)]}
    with client(endpoint, Retry(attempts=2)) as found:
        assert list(found.show()) == ["model_info"]
    assert len(endpoint.exchanges) == 2


@pytest.mark.parametrize(
    ("keep_alive", "model", "expires_at"),
    [
        ("30m", "all-minilm:latest", "2318-12-01T10:00:00.123456789+02:00"),
        (0, "library/All-MiniLM", "2318-12-01T10:00:00Z"),
    ],
)
def test_keep_alive_is_not_sent_where_the_model_stays_longer(
    endpoint: ScriptedEndpoint, keep_alive: Any, model: str, expires_at: str
) -> None:
    endpoint.models, endpoint.expires_at = [model], expires_at
    with client(endpoint, keep_alive=keep_alive) as found:
        found.load()
        found.embed(["a"])
    sent = [each.body for each in endpoint.exchanges if each.path == "/api/embed"]
    assert [sorted(body) for body in sent] == [["input", "model"], ["input", "model", "truncate"]]


@pytest.mark.parametrize(
    ("keep_alive", "model", "expires_at"),
    [
        ("30m", "all-minilm:latest", "2020-01-01T00:00:00Z"),
        ("30m", "other:latest", "2318-12-01T10:00:00Z"),
        ("30m", "all-minilm:22m", "2318-12-01T10:00:00Z"),
        ("30m", "all-minilm:latest", "never"),
        ("30m", "all-minilm:latest", None),
        (-1, "all-minilm:latest", "2318-12-01T10:00:00Z"),
    ],
)
def test_keep_alive_is_sent_where_it_shortens_nothing(
    endpoint: ScriptedEndpoint, keep_alive: Any, model: str, expires_at: Any
) -> None:
    endpoint.models, endpoint.expires_at = [model], expires_at
    with client(endpoint, keep_alive=keep_alive) as found:
        found.load()
        found.embed(["a"])
    sent = [each.body for each in endpoint.exchanges if each.path == "/api/embed"]
    assert [body["keep_alive"] for body in sent] == [keep_alive] * 2


def test_a_server_without_a_list_of_loaded_models_is_sent_keep_alive(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.paths["/api/ps"] = Reply(404, b"404 page not found")
    with client(endpoint) as found:
        found.load()
        found.embed(["a"])
    assert endpoint.requests[0]["keep_alive"] == "30m"


def test_the_body_is_utf8_json(endpoint: ScriptedEndpoint) -> None:
    with client(endpoint) as found:
        found.embed(["é \U0001f600 \"'\n"])
    assert json.dumps(endpoint.texts) == json.dumps(["é \U0001f600 \"'\n"])


# What answers become


def test_no_answer_in_time_is_a_timeout(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda _: lambda _: endpoint.stopping.wait(30)
    with (
        client(endpoint, timeouts=SHORT) as found,
        pytest.raises(errors.RequestTimedOut, match="no answer in time"),
    ):
        found.embed(["a"])


def test_an_answer_that_is_too_large_is_given_up(endpoint: ScriptedEndpoint) -> None:
    limit = SMALL_BODY + VECTOR_BYTES
    endpoint.script = lambda _: Reply(200, b" " * (limit + 1))
    with (
        client(endpoint) as found,
        pytest.raises(errors.WrongAnswer, match=f"larger than {limit} bytes"),
    ):
        found.embed(["a"])


@pytest.mark.parametrize("body", [b"", b"<html>Sign in</html>"])
def test_a_page_instead_of_vectors_is_a_wrong_answer(
    endpoint: ScriptedEndpoint, body: bytes
) -> None:
    endpoint.script = lambda _: Reply(200, body, {"content-type": "text/html"})
    with client(endpoint) as found, pytest.raises(errors.WrongAnswer, match="is a proxy"):
        found.embed(["a"])


def test_a_page_instead_of_facts_is_no_endpoint(endpoint: ScriptedEndpoint) -> None:
    endpoint.paths["/api/version"] = Reply(200, b"<html>Sign in</html>")
    with client(endpoint) as found, pytest.raises(errors.NotAnEndpoint, match="JSON object"):
        found.get("/api/version")


def test_every_vector_has_the_dimension_of_the_first(endpoint: ScriptedEndpoint) -> None:
    with client(endpoint) as found:
        found.embed(["a"])
        endpoint.script = lambda texts: embedded(texts, 4)
        with pytest.raises(errors.WrongAnswer, match="4 values came back where 8 were expected"):
            found.embed(["b"])


def test_every_vector_has_the_dimension_that_was_asked_for(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda texts: embedded(texts, 8)
    with (
        client(endpoint, dimensions=4) as found,
        pytest.raises(errors.RequestRejected, match=r"8 values, not the 4 of endpoint.dimensions"),
    ):
        found.embed(["b"])
    assert len(endpoint.requests) == 1


# What is repeated


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (error(400, "the input length exceeds the context length"), errors.TextTooLong),
        (error(400, "invalid input type"), errors.RequestRejected),
        (error(500, 'option "num_ctx" must be of type integer'), errors.RequestRejected),
        (error(401, "unauthorized"), errors.Unauthorized),
        (Reply(403, b""), errors.Unauthorized),
        (error(404, 'model "m" not found, try pulling it first'), errors.ModelNotFound),
        (Reply(404, b"404 page not found"), errors.NotAnEndpoint),
        (Reply(405, b"405 method not allowed"), errors.NotAnEndpoint),
        (Reply(307, b"", {"location": "/api/embed"}), errors.NotAnEndpoint),
        (error(501, "this model does not support embeddings"), errors.CannotEmbed),
    ],
)
def test_a_permanent_error_is_sent_once(
    endpoint: ScriptedEndpoint, reply: Reply, kind: type[errors.PermanentError]
) -> None:
    endpoint.script = lambda _: reply
    with client(endpoint, Retry()) as found, pytest.raises(kind) as caught:
        found.embed(["a"])
    assert len(endpoint.requests) == 1
    assert caught.value.attempts == 1


def replies(endpoint: ScriptedEndpoint, *first: Reply) -> None:
    """Let an endpoint answer so at first, and as usual afterwards."""
    waiting = list(first)
    endpoint.script = lambda _: waiting.pop(0) if waiting else None


def test_a_busy_endpoint_is_asked_again_and_the_wait_is_counted(
    endpoint: ScriptedEndpoint,
) -> None:
    replies(endpoint, error(503, BUSY))
    with client(endpoint, Retry(attempts=2)) as found:
        tries = found.embed(["a"])
    assert (len(endpoint.requests), tries.attempts) == (2, 2)
    assert tries.throttled_s > 0
    assert endpoint.requests[0] == endpoint.requests[1]


def test_the_tries_are_bounded(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda _: error(503, BUSY)
    with client(endpoint, Retry(attempts=2)) as found, pytest.raises(errors.Overloaded) as caught:
        found.embed(["a"])
    assert (len(endpoint.requests), caught.value.attempts) == (2, 2)


def test_a_wait_that_is_asked_for_and_exceeds_the_time_is_not_begun(
    endpoint: ScriptedEndpoint,
) -> None:
    endpoint.script = lambda _: error(503, BUSY, **{"retry-after": "61"})
    retry = Retry(attempts=8, total_seconds=60)
    with client(endpoint, retry) as found, pytest.raises(errors.Overloaded) as caught:
        found.embed(["a"])
    assert (len(endpoint.requests), caught.value.retry_after) == (1, 61.0)


@pytest.mark.parametrize(
    "reply",
    [
        error(500, "failed to encode response: json: unsupported value: NaN"),
        Reply(200, b'{"embeddings":[[0.5,null]]}'),
        Reply(200, b'{"embeddings":[]}'),
    ],
    ids=["NaN", "null", "too few"],
)
def test_what_one_text_may_cause_is_tried_twice_only(
    endpoint: ScriptedEndpoint, reply: Reply
) -> None:
    endpoint.script = lambda _: reply
    kinds = (errors.VectorNotFinite, errors.WrongAnswer)
    with client(endpoint, Retry(attempts=8)) as found, pytest.raises(kinds):
        found.embed(["a"])
    assert len(endpoint.requests) == 2


def test_a_wrong_answer_and_then_a_good_one_is_a_success(endpoint: ScriptedEndpoint) -> None:
    replies(endpoint, Reply(200, b'{"embeddings":[[3.0,4.0]]}'))
    with client(endpoint, Retry(attempts=2)) as found:
        assert found.embed(["a"]).attempts == 2


def test_one_try_is_one_try_where_a_text_may_be_the_cause(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda _: error(400, CRASH)
    with client(endpoint, Retry()) as found, pytest.raises(errors.RunnerCrashed):
        found.embed(["a", "b"], tries=1)
    assert len(endpoint.requests) == 1


def test_one_try_does_not_count_while_the_endpoint_is_busy(endpoint: ScriptedEndpoint) -> None:
    replies(endpoint, error(503, BUSY))
    with client(endpoint, Retry(attempts=2)) as found:
        assert found.embed(["a", "b"], tries=1).attempts == 2


def test_a_question_is_asked_again_where_the_endpoint_is_busy(endpoint: ScriptedEndpoint) -> None:
    endpoint.paths = {"/api/version": [error(503, BUSY)]}
    with client(endpoint, Retry(attempts=2)) as found:
        assert found.get("/api/version") == {"version": "0.0.0-scripted"}
    assert [each.path for each in endpoint.exchanges] == ["/api/version", "/api/version"]


def test_the_tries_of_a_question_are_bounded(endpoint: ScriptedEndpoint) -> None:
    endpoint.paths["/api/version"] = error(503, BUSY)
    with client(endpoint, Retry(attempts=2)) as found, pytest.raises(errors.Overloaded):
        found.get("/api/version")
    assert len(endpoint.exchanges) == 2


def test_a_question_that_cannot_succeed_is_asked_once(endpoint: ScriptedEndpoint) -> None:
    with client(endpoint, Retry()) as found, pytest.raises(errors.NotAnEndpoint):
        found.get("/api/nothing")
    assert len(endpoint.exchanges) == 1


def test_a_token_that_is_read_again_takes_no_further_try(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    endpoint.script = rotating(endpoint, file)
    with client(endpoint, auth=Auth(file=str(file))) as found:
        assert found.embed(["a"]).attempts == 1
    assert len(endpoint.requests) == 2


def test_loading_is_tried_again(endpoint: ScriptedEndpoint) -> None:
    endpoint.loading = [error(503, BUSY)]
    with client(endpoint, Retry(attempts=2)) as found:
        found.load()
    assert endpoint.loads == 2


def test_a_model_that_is_not_there_is_asked_for_once(endpoint: ScriptedEndpoint) -> None:
    endpoint.loading = [error(404, 'model "m" not found, try pulling it first')]
    with client(endpoint, Retry()) as found, pytest.raises(errors.ModelNotFound):
        found.load()
    assert endpoint.loads == 1


# What it took


def test_a_connection_that_breaks_is_tried_three_times(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda _: lambda _: None
    with client(endpoint, Retry(attempts=8)) as found, pytest.raises(errors.ConnectionLost):
        found.embed(["a"])
    assert len(endpoint.requests) == 3


def test_what_was_met_on_the_way_is_told(endpoint: ScriptedEndpoint) -> None:
    replies(endpoint, error(503, BUSY), error(400, CRASH))
    with client(endpoint, Retry(attempts=8)) as found:
        tries = found.embed(["a"])
    assert (tries.attempts, tries.faults) == (3, {"Overloaded": 1, "RunnerCrashed": 1})
    assert 0.0 < tries.throttled_s <= tries.lost_s
    assert tries.reloaded is False


def loaded_in(milliseconds: int) -> Reply:
    """Return the usual answer to "a", with this load_duration."""
    found = json.loads(embedded(["a"]).body)
    return Reply(200, json.dumps({**found, "load_duration": milliseconds * 1_000_000}).encode())


def test_an_answer_that_waited_for_the_model_to_be_loaded_again_is_told(
    endpoint: ScriptedEndpoint,
) -> None:
    replies(endpoint, loaded_in(1), loaded_in(1), loaded_in(900), loaded_in(1))
    with client(endpoint) as found:
        assert [found.embed(["a"]).reloaded for _ in range(4)] == [False, False, True, False]


def test_one_vector_for_different_texts_is_not_believed(endpoint: ScriptedEndpoint) -> None:
    endpoint.script = lambda texts: embedded(["stuck"] * len(texts))
    with client(endpoint) as found, pytest.raises(errors.WrongAnswer, match="one vector"):
        found.embed(["a", "b"])


def test_the_log_names_the_request_that_failed(
    endpoint: ScriptedEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "embed_pipeline")
    asked = Endpoint(url=endpoint.url, model="all-minilm")
    with (
        Client(asked, Retry(attempts=1)) as client,
        pytest.raises(errors.EndpointError),
    ):
        client.get("/no/such")
    assert any(
        one.startswith(f"GET {endpoint.url}/no/such: NotAnEndpoint (404)")
        for one in caplog.messages
    )
