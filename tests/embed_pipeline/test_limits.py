"""What bounds a text, as it is found at servers that tell much, little or nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models

from embed_pipeline import errors
from embed_pipeline.client import Client
from embed_pipeline.embedded.weights import fetch, locate
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.limits import (
    ASSUMED_CONTEXT,
    PLAIN_TEXTS,
    PROBE_WORD,
    Limits,
    find_limits,
)
from embed_pipeline.tokens import Tokens
from tests.support.scripted import WORDS, Reply, ScriptedEndpoint, error

LONG_PREFIX = "word " * 20


@pytest.fixture
def settings(endpoint: ScriptedEndpoint) -> Endpoint:
    return Endpoint(url=endpoint.url, model="all-minilm")


@pytest.fixture
def client(settings: Endpoint) -> Iterator[Client]:
    with Client(settings, Retry(attempts=1)) as found:
        yield found


def find(client: Client, settings: Endpoint, **tokens: object) -> Limits:
    return find_limits(client, settings, Tokens.model_validate(tokens))


def own_tokenizer() -> Path:
    """Return the tokenizer.json that was published with all-minilm."""
    return (locate() or fetch()).tokenizer


def embeds(endpoint: ScriptedEndpoint) -> list[tuple[int, bool]]:
    """Return the words of each request's first text, and whether it might have been cut."""
    return [
        (len(each.body["input"][0].split()), each.body["truncate"])
        for each in endpoint.exchanges
        if each.path == "/api/embed"
    ]


def test_the_context_is_the_one_the_server_tells(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint
) -> None:
    endpoint.told_context = endpoint.context = 512
    found = find(client, settings)
    assert (found.context, found.context_source) == (512, "server")
    assert True not in [truncate for _, truncate in embeds(endpoint)]


@pytest.mark.parametrize(
    ("context", "probes"), [(128, [600]), (512, [600]), (2048, [600, 2400]), (600, [600, 2400])]
)
def test_a_context_that_is_not_told_is_what_a_long_text_is_cut_to(
    endpoint: ScriptedEndpoint,
    client: Client,
    settings: Endpoint,
    context: int,
    probes: list[int],
) -> None:
    endpoint.told_context, endpoint.context = None, context
    found = find(client, settings)
    assert (found.context, found.context_source) == (context, "probed")
    assert [words for words, truncate in embeds(endpoint) if truncate] == probes


def test_a_context_that_no_long_text_shows_is_assumed_to_be_small_which_is_said(
    endpoint: ScriptedEndpoint,
    client: Client,
    settings: Endpoint,
    caplog: pytest.LogCaptureFixture,
) -> None:
    endpoint.told_context, endpoint.tells_count = None, False
    found = find(client, settings)
    assert (found.context, found.context_source) == (256, "assumed")
    assert caplog.records[-1].getMessage() == (
        f"{endpoint.url} does not tell how many tokens the model reads, and asking with long texts "
        f"does not show it: {ASSUMED_CONTEXT} are assumed"
    )


def test_several_addresses_do_not_tell(
    endpoint: ScriptedEndpoint,
    client: Client,
    settings: Endpoint,
    caplog: pytest.LogCaptureFixture,
) -> None:
    endpoint.told_context, endpoint.tells_count = None, False
    find(client, settings.model_copy(update={"url": [endpoint.url, "http://[::1]:1"]}))
    told = caplog.records[-1].getMessage()
    assert told.startswith(f"{endpoint.url}, http://[::1]:1 do not tell how many tokens")


def test_a_context_beyond_every_long_text_is_assumed_to_be_small(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint
) -> None:
    endpoint.told_context, endpoint.context = None, 1_000_000
    found = find(client, settings)
    assert (found.context, found.context_source) == (256, "assumed")
    assert [words for words, truncate in embeds(endpoint) if truncate] == [600, 2400, 9600, 38400]


def test_a_server_that_fails_on_long_texts_shows_no_context(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint
) -> None:
    endpoint.told_context, endpoint.refuses_to_cut = None, True
    found = find(client, settings)
    assert (found.context, found.context_source) == (256, "assumed")


def test_a_job_asks_twice_and_warns_once(
    endpoint: ScriptedEndpoint,
    client: Client,
    settings: Endpoint,
    caplog: pytest.LogCaptureFixture,
) -> None:
    endpoint.told_context, endpoint.tells_count = None, False
    assert find(client, settings) == find(client, settings)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == len(set(told)) == 2


@pytest.mark.parametrize("refuses", [True, False])
def test_a_text_one_word_too_long_shows_whether_the_server_refuses(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint, refuses: bool
) -> None:
    endpoint.refuses = refuses
    assert find(client, settings).refuses is refuses
    assert embeds(endpoint) == [(257, False)]


def test_a_server_without_the_model_is_the_error(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint
) -> None:
    endpoint.paths["/api/embed"] = error(404, "model 'all-minilm' not found")
    with pytest.raises(errors.ModelNotFound):
        find(client, settings)


def test_a_server_that_lets_nobody_in_while_it_is_probed_is_the_error(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint
) -> None:
    endpoint.told_context = None
    endpoint.paths["/api/embed"] = error(401, "unauthorized")
    with pytest.raises(errors.Unauthorized):
        find(client, settings)


def test_the_tokenizer_is_made_from_the_vocabulary_the_server_tells(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint
) -> None:
    endpoint.vocabulary = WORDS
    tokenizer = find(client, settings).tokenizer
    assert tokenizer is not None
    assert tokenizer.count(["the sky is blue"]) == [6]
    (shown,) = [each.body for each in endpoint.exchanges if each.path == "/api/show"]
    assert shown == {"model": "all-minilm", "verbose": True}


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404, b"404 page not found", {"content-type": "text/plain"}),
        error(404, "model 'all-minilm' not found"),
        error(400, "no such field"),
        Reply(200, b"{}"),
        Reply(200, b'{"model_info":null}'),
        Reply(200, b'{"model_info":{"tokenizer.ggml.model":"gpt2"}}'),
    ],
)
def test_a_server_that_tells_no_vocabulary_leaves_no_tokenizer(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint, reply: Reply
) -> None:
    endpoint.paths["/api/show"] = reply
    assert find(client, settings).tokenizer is None


def test_a_vocabulary_that_contradicts_the_server_on_plain_words_is_not_used_which_is_said_once(
    endpoint: ScriptedEndpoint,
    client: Client,
    settings: Endpoint,
    caplog: pytest.LogCaptureFixture,
) -> None:
    endpoint.vocabulary, endpoint.counts = WORDS, lambda text: len(text.split()) + 3
    assert find(client, settings).tokenizer is None
    assert find(client, settings).tokenizer is None
    contradiction, consequence = caplog.records
    assert contradiction.getMessage() == (
        f"{endpoint.url} counts 25 tokens in plain texts where the tokenizer made of the "
        "vocabulary it tells counts 22: that is not the model's, and is not used"
    )
    assert "does not tell the tokenizer of 'all-minilm'" in consequence.getMessage()


def test_a_file_that_contradicts_the_server_is_named_and_not_used(
    endpoint: ScriptedEndpoint,
    client: Client,
    settings: Endpoint,
    caplog: pytest.LogCaptureFixture,
) -> None:
    endpoint.counts = lambda text: len(text.split()) + 3
    path = str(own_tokenizer())
    assert find(client, settings, tokenizer=path).tokenizer is None
    assert f"made of {path} counts 22" in caplog.records[0].getMessage()
    assert len(caplog.records) == 2


def test_a_server_that_does_not_count_contradicts_no_vocabulary(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint
) -> None:
    endpoint.vocabulary, endpoint.tells_count = WORDS, False
    assert find(client, settings).tokenizer is not None


def test_a_context_too_short_for_the_plain_words_contradicts_no_vocabulary(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint
) -> None:
    endpoint.vocabulary = WORDS
    endpoint.told_context = endpoint.context = 5
    found = find(client, settings)
    assert found.tokenizer is not None
    assert (found.context, found.refuses) == (5, True)


def test_a_file_given_is_taken_and_no_vocabulary_asked_for(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint
) -> None:
    endpoint.vocabulary = WORDS
    tokenizer = find(client, settings, tokenizer=str(own_tokenizer())).tokenizer
    assert tokenizer is not None
    assert tokenizer.count(["unaffable"]) == [5]
    assert "/api/show" not in [each.path for each in endpoint.exchanges]


def test_a_damaged_file_is_the_error_before_anything_is_asked(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint, tmp_path: Path
) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(errors.ConfigError, match=r"/tokenizer\.json is no tokenizer\.json"):
        find(client, settings, tokenizer=str(path))
    assert endpoint.exchanges == []


@pytest.mark.parametrize("setting", ["prefix", "query_prefix"])
@pytest.mark.parametrize("vocabulary", [None, WORDS])
@pytest.mark.parametrize(("context", "told"), [(22, 22), (10, 22)])
def test_a_prefix_that_leaves_no_room_is_the_error_before_any_text(
    endpoint: ScriptedEndpoint,
    client: Client,
    settings: Endpoint,
    setting: str,
    vocabulary: list[str] | None,
    context: int,
    told: int,
) -> None:
    endpoint.told_context = endpoint.context = context
    endpoint.vocabulary = vocabulary
    count = told if vocabulary or context == 22 else context + 1
    with pytest.raises(errors.ConfigError) as caught:
        find(client, settings, **{setting: LONG_PREFIX})
    assert str(caught.value) == (
        f"tokens.{setting} has {count} tokens, and the model reads {context}: no text would be "
        "left; shorten it, or use a model with a longer context"
    )
    assert endpoint.texts == ([] if vocabulary else [LONG_PREFIX])


@pytest.mark.parametrize("vocabulary", [None, WORDS])
@pytest.mark.parametrize("prefix", [LONG_PREFIX, "word " * 10 + "{text}" + " word" * 10])
def test_a_prefix_that_leaves_room_for_one_token_is_accepted(
    endpoint: ScriptedEndpoint,
    client: Client,
    settings: Endpoint,
    vocabulary: list[str] | None,
    prefix: str,
) -> None:
    endpoint.told_context = endpoint.context = 23
    endpoint.vocabulary = vocabulary
    assert find(client, settings, prefix=prefix, query_prefix=prefix).context == 23


def test_a_prefix_that_a_server_cuts_leaves_no_room(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint
) -> None:
    endpoint.told_context = endpoint.context = 10
    endpoint.refuses = False
    with pytest.raises(errors.ConfigError, match=r"tokens\.prefix has 10 tokens"):
        find(client, settings, prefix=LONG_PREFIX)


def test_what_is_asked_are_plain_words_only(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint
) -> None:
    endpoint.vocabulary, endpoint.told_context = WORDS, None
    find(client, settings)
    sent = [each.body["input"] for each in endpoint.exchanges if each.path == "/api/embed"]
    assert sent == [list(PLAIN_TEXTS), [PROBE_WORD * 600], [PROBE_WORD * 257]]


def test_where_a_file_contradicts_the_server_the_vocabulary_it_tells_is_taken(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint, tmp_path: Path
) -> None:
    endpoint.vocabulary = WORDS
    by_letter = Tokenizer(models.BPE())
    by_letter.add_tokens(list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ "))
    by_letter.save(str(tmp_path / "tokenizer.json"))
    found = find(client, settings, tokenizer=str(tmp_path / "tokenizer.json")).tokenizer
    assert found is not None
    assert found.origin == "server"


def test_a_server_that_takes_texts_that_are_too_long_tells_by_its_count_what_it_reads(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint
) -> None:
    endpoint.context, endpoint.refuses = 128, False
    found = find(client, settings)
    assert (found.context, found.context_source, found.refuses) == (128, "probed", False)


def test_that_texts_may_be_cut_unseen_is_told(
    endpoint: ScriptedEndpoint,
    client: Client,
    settings: Endpoint,
    caplog: pytest.LogCaptureFixture,
) -> None:
    endpoint.refuses = False
    find(client, settings)
    assert any("cannot be told of every text" in one.getMessage() for one in caplog.records)


def test_texts_that_are_too_long_cannot_fail_where_the_server_takes_them_unseen(
    endpoint: ScriptedEndpoint, client: Client, settings: Endpoint
) -> None:
    endpoint.refuses = False
    with pytest.raises(errors.ConfigError, match=r"tokens\.on_too_long cannot be 'fail'"):
        find(client, settings, on_too_long="fail")
