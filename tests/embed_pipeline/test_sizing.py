"""What is known of texts' sizes: prefixed, counted and cut before they are sent."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed_pipeline.counting import CONTRADICTIONS, Count
from embed_pipeline.errors import TextTooLong
from embed_pipeline.limits import ContextSource, Limits
from embed_pipeline.records import TokenCountSource
from embed_pipeline.sizing import Prepared, Sizing, cut
from embed_pipeline.tokenizer import ModelTokenizer, from_model_info
from embed_pipeline.tokens import OnTooLong, Tokens, applied
from tests.support.scripted import WORDS, model_info
from tests.support.tokenizing import byte_level, wordpiece


def built(pieces: list[str]) -> ModelTokenizer:
    found = from_model_info(model_info(pieces))
    assert found is not None
    return found


BY_WORD = built(WORDS)
BY_JAMO = built([*WORDS, "▁\u1112", "\u1161", "\u11ab", "▁a"])


def sizing(
    context: int = 6,
    tokenizer: ModelTokenizer | None = BY_WORD,
    *,
    refuses: bool = True,
    source: ContextSource = "server",
    on_too_long: OnTooLong = "truncate",
    prefix: str = "",
) -> Sizing:
    tokens = Tokens(on_too_long=on_too_long, prefix=prefix)
    return Sizing(Limits(context, source, refuses, tokenizer), tokens)


def prepared(text: str, tokens: int | None = None, *, cut: bool = False) -> Prepared:
    return Prepared(text, tokens, cut, text)


def test_texts_are_counted_in_their_order() -> None:
    assert sizing().prepare(["one two", "one", ""]) == [
        prepared("one two", 4),
        prepared("one", 3),
        prepared("", 2),
    ]


def test_no_texts_need_no_preparation() -> None:
    assert sizing().prepare([]) == []


def test_a_prefix_is_put_before_the_text_and_counted() -> None:
    assert sizing(prefix="query: ").prepare(["one two"]) == [
        Prepared("query: one two", 6, False, "one two")
    ]


def test_a_template_is_put_around_the_text_and_counted() -> None:
    assert sizing(prefix="say {text} now").prepare(["one two"]) == [
        Prepared("say one two now", 6, False, "one two")
    ]


def test_a_text_that_has_exactly_the_context_is_whole() -> None:
    assert sizing().prepare(["one two three four"]) == [prepared("one two three four", 6)]


def test_a_longer_text_is_cut_to_exactly_the_context() -> None:
    assert sizing().prepare(["one two three four five"]) == [
        Prepared("one two three four", 6, True, "one two three four five")
    ]


def test_the_prefix_stays_whole_and_the_text_is_cut() -> None:
    assert sizing(prefix="query: ").prepare(["one two three"]) == [
        Prepared("query: one two", 6, True, "one two three")
    ]


def test_a_template_stays_whole_and_the_text_in_it_is_cut() -> None:
    assert sizing(prefix="say {text} now").prepare(["one two three"]) == [
        Prepared("say one two now", 6, True, "one two three")
    ]


def test_a_text_to_be_split_that_came_whole_is_cut_all_the_same() -> None:
    assert sizing(on_too_long="chunk").prepare(["one two three four five"]) == [
        Prepared("one two three four", 6, True, "one two three four five")
    ]


def test_a_text_too_long_is_refused_with_both_numbers_where_it_may_not_be_cut() -> None:
    short, long = sizing(on_too_long="fail").prepare(["one", "one two three four five"])
    assert short == prepared("one", 3)
    assert isinstance(long, TextTooLong)
    assert str(long) == (
        "the text has 7 tokens and the model reads 6; nothing was sent of it, as "
        "tokens.on_too_long is 'fail': shorten it, or set that to truncate or chunk"
    )


def test_what_is_refused_is_counted_with_its_prefix() -> None:
    (long,) = sizing(on_too_long="fail", prefix="query: ").prepare(["one two three"])
    assert isinstance(long, TextTooLong)
    assert "the text has 7 tokens" in str(long)


@pytest.mark.parametrize("on_too_long", ["truncate", "chunk", "fail"])
def test_where_the_tokenizer_is_not_known_nothing_is_counted_cut_or_refused(
    on_too_long: OnTooLong,
) -> None:
    text = "word " * 1000
    found = sizing(tokenizer=None, on_too_long=on_too_long, prefix="query: ")
    assert found.prepare([text]) == [Prepared(f"query: {text}", None, False, text)]


@pytest.mark.parametrize(
    ("text", "may_be"),
    [
        (prepared("x" * 18), False),
        (prepared("x" * 19), True),
        (Prepared("x" * 19, None, False, "x" * 10), True),
        (prepared("x" * 1000, 3), False),
    ],
)
def test_a_text_that_was_not_counted_may_be_too_long_from_three_characters_a_token(
    text: Prepared, may_be: bool
) -> None:
    assert sizing(tokenizer=None).may_be_too_long(text) is may_be


def test_a_character_of_several_tokens_is_left_out_whole_and_nothing_before_it() -> None:
    text = "a 한 a"
    assert BY_JAMO.ends(text) == [1, 3, 3, 3, 5]
    assert [cut(text, BY_JAMO, limit, "").text for limit in range(2, 7)] == [
        "",
        "a",
        "a",
        "a",
        "a 한",
    ]


def test_nothing_is_left_of_a_text_whose_first_character_does_not_fit() -> None:
    assert cut("한 a", BY_JAMO, 4, "") == Prepared("", 2, True, "한 a")


def test_an_unknown_word_is_cut_off_whole() -> None:
    assert cut("a zither a", BY_JAMO, 4, "").text == "a zither"


AWKWARD = st.sampled_from("a b한글éệ你ﷺ½x-.\u0301\u200d👩🔬")
TEXTS = st.text(AWKWARD | st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80)


def fitting(
    tokenizer: ModelTokenizer, text: str, prefix: str, room: int
) -> tuple[int, list[Prepared]]:
    """Return a limit that leaves this room beside a prefix, and all heads that fit, by length."""
    limit = tokenizer.count([applied(prefix, "")])[0] + room
    heads = [applied(prefix, text[:end]) for end in [0, *tokenizer.ends(text)]]
    counts = tokenizer.count(heads)
    found = [
        Prepared(head, count, True, text)
        for head, count in zip(heads, counts, strict=True)
        if count <= limit
    ]
    return limit, sorted(found, key=lambda one: len(one.text))


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.integers(1, 20), st.sampled_from(["", "query: ", "<{text}>"]))
def test_a_head_is_the_longest_that_ends_with_a_token_and_fits(
    text: str, room: int, prefix: str
) -> None:
    limit, heads = fitting(wordpiece(), text, prefix, room)
    assert cut(text, wordpiece(), limit, prefix) == heads[-1]


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.integers(1, 20))
def test_so_it_is_where_characters_are_several_tokens_and_white_space_is_one(
    text: str, room: int
) -> None:
    limit, heads = fitting(byte_level(), text, "", room)
    assert cut(text, byte_level(), limit, "") == heads[-1]


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.integers(1, 20), st.sampled_from(["query: ", "<{text}>"]))
def test_a_head_that_grows_together_with_its_prefix_ends_with_a_token_and_fits(
    text: str, room: int, prefix: str
) -> None:
    limit, heads = fitting(byte_level(), text, prefix, room)
    assert cut(text, byte_level(), limit, prefix) in heads


@pytest.mark.parametrize("prefix", ["", "search_document: ", "title: none | text: {text}"])
@pytest.mark.parametrize(
    "text",
    [
        "word " * 1000,
        "supercalifragilisticexpialidocious " * 200,
        "Über München, łódź, Việt Nam. " * 100,
        "你好，世界。" * 200,
        "x" * 90 + " y" * 400,
        "a+b=c; " * 300,
    ],
)
def test_what_is_sent_of_a_long_text_has_exactly_the_context(prefix: str, text: str) -> None:
    real = wordpiece()
    context = min(256, real.count([text])[0] - 2)
    (found,) = sizing(context, real, prefix=prefix).prepare([text])
    assert isinstance(found, Prepared)
    assert found.cut
    assert real.count([found.text]) == [found.tokens]
    assert found.tokens == context


def test_a_request_of_one_text_has_the_servers_count() -> None:
    assert sizing().counts(4, [prepared("one", 3)]) == [Count(4, "server")]


def test_counts_that_add_up_to_the_servers_are_verified() -> None:
    assert sizing().counts(7, [prepared("one", 3), prepared("one two", 4)]) == [
        Count(3, "verified"),
        Count(4, "verified"),
    ]


def test_without_a_tokenizer_counts_are_shares_by_length() -> None:
    texts = [prepared("aaa"), prepared("a" * 15)]
    assert sizing(tokenizer=None).counts(10, texts) == [
        Count(2, "estimated"),
        Count(8, "estimated"),
    ]


def test_a_text_that_was_not_counted_makes_every_count_of_its_request_a_share() -> None:
    texts = [prepared("aaa", 3), prepared("a" * 15)]
    assert sizing().counts(10, texts) == [Count(2, "estimated"), Count(8, "estimated")]


def test_a_tokenizer_that_contradicts_every_request_is_dropped_for_good_which_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = sizing()
    texts = [prepared("aaa", 3), prepared("a" * 15, 3)]
    for _ in range(CONTRADICTIONS - 1):
        assert found.counts(10, texts) == [Count(5, "estimated"), Count(5, "estimated")]
    for _ in range(5):
        assert found.counts(10, texts) == [Count(2, "estimated"), Count(8, "estimated")]
    assert found.limits.tokenizer is None
    assert found.prepare(["one"]) == [prepared("one", None)]
    assert len(caplog.records) == 1


SOURCES: list[ContextSource] = ["server", "probed", "assumed"]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("tokenizer", [BY_WORD, None])
@pytest.mark.parametrize("refuses", [True, False])
@pytest.mark.parametrize(
    "count", [Count(4, "server"), Count(6, "server"), Count(4, "verified"), Count(4, "estimated")]
)
def test_a_text_that_was_cut_here_is_truncated_whatever_else(
    source: ContextSource, tokenizer: ModelTokenizer | None, refuses: bool, count: Count
) -> None:
    found = sizing(tokenizer=tokenizer, refuses=refuses, source=source)
    assert found.truncated([prepared("one two", 4, cut=True)], [count]) == [True]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("tokens", [4, 6])
@pytest.mark.parametrize("kind", ["server", "verified", "estimated"])
@pytest.mark.parametrize("tokenizer", [BY_WORD, None])
def test_what_a_server_that_refuses_has_accepted_is_whole_whatever_else(
    source: ContextSource, tokens: int, kind: TokenCountSource, tokenizer: ModelTokenizer | None
) -> None:
    found = sizing(tokenizer=tokenizer, source=source)
    assert found.truncated([prepared("one two")], [Count(tokens, kind)]) == [False]


@pytest.mark.parametrize(
    ("tokenizer", "source", "count", "truncated"),
    [
        (BY_WORD, "server", Count(4, "server"), False),
        (BY_WORD, "server", Count(4, "verified"), False),
        (BY_WORD, "server", Count(6, "verified"), False),
        (BY_WORD, "server", Count(4, "estimated"), None),
        (BY_WORD, "probed", Count(4, "server"), False),
        (BY_WORD, "probed", Count(6, "verified"), False),
        (BY_WORD, "assumed", Count(4, "verified"), False),
        (None, "server", Count(4, "server"), False),
        (None, "server", Count(6, "server"), None),
        (None, "server", Count(4, "estimated"), None),
        (None, "probed", Count(4, "server"), False),
        (None, "probed", Count(6, "server"), None),
        (None, "assumed", Count(4, "server"), None),
        (None, "assumed", Count(4, "estimated"), None),
    ],
)
def test_what_a_server_that_may_cut_unseen_has_accepted_is_whole_only_where_counts_say_so(
    tokenizer: ModelTokenizer | None, source: ContextSource, count: Count, truncated: bool | None
) -> None:
    text = prepared("x" * 10, count.tokens if tokenizer else None)
    found = sizing(tokenizer=tokenizer, refuses=False, source=source)
    assert found.truncated([text], [count]) == [truncated]


def test_a_smaller_context_is_learned_and_said(caplog: pytest.LogCaptureFixture) -> None:
    found = sizing(512)
    found.learn(5)
    assert found.limits.context == 5
    assert found.prepare(["one two three four"]) == [
        Prepared("one two three", 5, True, "one two three four")
    ]
    (record,) = caplog.records
    assert record.getMessage() == (
        "the endpoint refuses a text of more than 5 tokens, though it tells a context of 512: "
        "texts are cut there from here on; setting num_batch as well as num_ctx in "
        "endpoint.options may help"
    )


@pytest.mark.parametrize("context", [5, 6, 512])
def test_what_is_known_is_neither_learned_nor_said_again(
    caplog: pytest.LogCaptureFixture, context: int
) -> None:
    found = sizing(512)
    found.learn(5)
    found.learn(context)
    assert found.limits.context == 5
    assert len(caplog.records) == 1
