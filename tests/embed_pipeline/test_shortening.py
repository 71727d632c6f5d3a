"""A text the endpoint refuses as too long: its longest head that the endpoint accepts."""

from collections.abc import Iterator

import pytest

from embed_pipeline import errors
from embed_pipeline.client import Client
from embed_pipeline.endpoint import Endpoint, Retry
from embed_pipeline.limits import Limits
from embed_pipeline.outcomes import Effort, Vector
from embed_pipeline.shortening import embed_head
from embed_pipeline.sizing import Prepared, Sizing
from embed_pipeline.tokenizer import ModelTokenizer, from_model_info
from embed_pipeline.tokens import Tokens, applied
from tests.support.scripted import (
    TOO_LONG,
    WORDS,
    ScriptedEndpoint,
    error,
    model_info,
    tokens_of,
    vector_of,
)

NUMBERS = "one two three four five six seven eight nine ten eleven twelve"
BY_WORD = from_model_info(model_info(WORDS))


@pytest.fixture
def client(endpoint: ScriptedEndpoint) -> Iterator[Client]:
    with Client(Endpoint(url=endpoint.url, model="all-minilm"), Retry(attempts=1)) as found:
        yield found


def sizing(context: int, tokenizer: ModelTokenizer | None = None, prefix: str = "") -> Sizing:
    return Sizing(Limits(context, "server", True, tokenizer), Tokens(prefix=prefix))


def refused(text: str, tokens: int | None = None, prefix: str = "") -> Prepared:
    return Prepared(applied(prefix, text), tokens, False, text)


def is_of(result: Vector, text: str) -> bool:
    return bool((result.vector == vector_of(text)).all())


def sent(endpoint: ScriptedEndpoint) -> list[tuple[str, bool]]:
    """Return each text that was sent, and whether the endpoint might cut it."""
    return [(request["input"][0], request["truncate"]) for request in endpoint.requests]


def test_a_text_of_an_unknown_tokenizer_is_sent_once_more_to_be_cut(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.context = 6
    effort = Effort()
    result = embed_head(client, refused(NUMBERS), sizing(6), effort)
    assert is_of(result, "one two three four")
    assert result[1:] == (6, "server", True)
    assert sent(endpoint) == [(NUMBERS, True)]
    assert (effort.requests, effort.tokens) == (1, 6)


def test_where_the_endpoint_does_not_count_a_cut_text_has_as_many_tokens_as_are_read(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.context, endpoint.tells_count = 6, False
    result = embed_head(client, refused(NUMBERS), sizing(6), Effort())
    assert result[1:] == (6, "estimated", True)


def test_where_even_cutting_is_refused_the_longest_head_that_is_accepted_is_found(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.context, endpoint.refuses_to_cut = 6, True
    effort = Effort()
    result = embed_head(client, refused(NUMBERS), sizing(6), effort)
    assert is_of(result, "one two three four")
    assert result[1:] == (6, "server", True)
    assert sent(endpoint)[0] == (NUMBERS, True)
    assert {truncate for _, truncate in sent(endpoint)[1:]} == {False}
    assert effort.requests == len(endpoint.requests) <= 8


def test_heads_end_between_words(endpoint: ScriptedEndpoint, client: Client) -> None:
    endpoint.context, endpoint.refuses_to_cut = 9, True
    text = NUMBERS.replace(" ", "\n")
    embed_head(client, refused(text), sizing(9), Effort())
    heads = [head for head, _ in sent(endpoint)[1:]]
    assert len(heads) > 3
    assert {word for head in heads for word in head.split()} <= set(NUMBERS.split())
    assert all(text.startswith(head) for head in heads)


def test_a_text_without_words_is_cut_anywhere(endpoint: ScriptedEndpoint, client: Client) -> None:
    endpoint.context, endpoint.refuses_to_cut = 10, True
    endpoint.counts = lambda text: len(text) + 2
    text = "abcdefghijklmnopqrstuvwxyz"
    result = embed_head(client, refused(text), sizing(10), Effort())
    assert result.token_count == 10
    assert ("abcdefgh", False) in sent(endpoint)


def test_heads_are_sent_with_their_prefix(endpoint: ScriptedEndpoint, client: Client) -> None:
    endpoint.context, endpoint.refuses_to_cut = 6, True
    prefix = "say {text} now"
    result = embed_head(client, refused(NUMBERS, None, prefix), sizing(6, None, prefix), Effort())
    assert is_of(result, "say one two now")
    assert all(text.startswith("say ") and text.endswith(" now") for text, _ in sent(endpoint))


def test_a_long_text_is_not_sent_by_halves_of_its_whole(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.context, endpoint.refuses_to_cut = 6, True
    result = embed_head(client, refused("word " * 100_000), sizing(6), Effort())
    assert is_of(result, "word word word word")
    assert max(len(text) for text, _ in sent(endpoint)[1:]) <= 6 * 8


def test_where_every_head_is_refused_that_is_the_error(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.script = lambda _: error(400, TOO_LONG)
    effort = Effort()
    with pytest.raises(errors.TextTooLong, match=TOO_LONG):
        embed_head(client, refused(NUMBERS), sizing(6), effort)
    assert effort.requests == len(endpoint.requests)


def test_another_error_ends_the_search(endpoint: ScriptedEndpoint, client: Client) -> None:
    endpoint.context, endpoint.refuses_to_cut = 6, True
    endpoint.script = lambda _: error(401, "unauthorized") if len(endpoint.requests) > 2 else None
    with pytest.raises(errors.Unauthorized):
        embed_head(client, refused(NUMBERS), sizing(6), Effort())
    assert len(endpoint.requests) == 3


def counts_double(text: str) -> int:
    return 2 * len(text.split()) + 2


def test_of_a_counted_text_the_longest_head_that_is_accepted_ends_with_a_token(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.context, endpoint.counts = 10, counts_double
    effort = Effort()
    text = "one two three four five six seven eight"
    result = embed_head(client, refused(text, 10), sizing(10, BY_WORD), effort)
    assert is_of(result, "one two three four")
    assert result[1:] == (10, "server", True)
    heads = {"one", "one two", "one two three", "one two three four", "one two three four five"}
    assert {text for text, _ in sent(endpoint)} <= {*heads, "one two three four five six"}
    assert {truncate for _, truncate in sent(endpoint)} == {False}
    assert effort.requests == len(endpoint.requests) == 3


def test_of_a_counted_text_the_prefix_stays(endpoint: ScriptedEndpoint, client: Client) -> None:
    endpoint.context, endpoint.counts = 10, counts_double
    text = "one two three four five six seven"
    found = sizing(10, BY_WORD, "say ")
    result = embed_head(client, refused(text, 10, "say "), found, Effort())
    assert is_of(result, "say one two three")


def test_plain_words_that_are_refused_teach_a_smaller_context(
    endpoint: ScriptedEndpoint, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.context = 6
    found = sizing(10, BY_WORD)
    result = embed_head(client, refused("one two three four five six", 8), found, Effort())
    assert is_of(result, "one two three four")
    assert found.limits.context == 6
    assert found.prepare([NUMBERS])[0] == Prepared("one two three four", 6, True, NUMBERS)
    (record,) = caplog.records
    assert "refuses a text of more than 6 tokens" in record.getMessage()


def test_what_the_server_splits_its_own_way_teaches_nothing(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.context = 8
    endpoint.counts = lambda text: tokens_of(text) + text.count("é")
    found = sizing(8, BY_WORD)
    result = embed_head(client, refused("é é é é é é", 8), found, Effort())
    assert is_of(result, "é é é")
    assert found.limits.context == 8


def test_where_no_token_of_a_counted_text_is_accepted_that_is_the_error(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    endpoint.context = 2
    found = sizing(10, BY_WORD)
    with pytest.raises(errors.TextTooLong, match=TOO_LONG):
        embed_head(client, refused("one two three", 5), found, Effort())
    assert found.limits.context == 10


def test_a_counted_text_of_one_token_has_no_head(
    endpoint: ScriptedEndpoint, client: Client
) -> None:
    with pytest.raises(errors.TextTooLong, match="not even one token"):
        embed_head(client, refused("one", 3), sizing(10, BY_WORD), Effort())
    assert endpoint.requests == []
