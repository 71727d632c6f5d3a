"""The settings of tokens, and what is sent for a text."""

import pytest
from pydantic import ValidationError

from embed_pipeline.tokens import Tokens, applied


def test_long_texts_are_cut_nothing_is_prefixed_and_a_hundred_rows_are_recounted() -> None:
    assert Tokens().model_dump() == {
        "tokenizer": None,
        "on_too_long": "truncate",
        "prefix": "",
        "query_prefix": "",
        "recount": 100,
    }


@pytest.mark.parametrize(
    ("prefix", "text", "sent"),
    [
        ("", "the sky", "the sky"),
        ("search_document: ", "the sky", "search_document: the sky"),
        ("title: none | text: {text}", "the sky", "title: none | text: the sky"),
        ("<{text}>", "the sky", "<the sky>"),
        ("<{text}>", "", "<>"),
        ("query: ", "{text}", "query: {text}"),
        ("<{text}>", "{text} and {text}", "<{text} and {text}>"),
        ("{title} ", "the sky", "{title} the sky"),
    ],
)
def test_a_prefix_stands_before_the_text_and_a_template_around_it(
    prefix: str, text: str, sent: str
) -> None:
    assert applied(prefix, text) == sent


@pytest.mark.parametrize("setting", ["prefix", "query_prefix"])
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("{text} or {text}", "{text} may stand once"),
        ("a\x00b", "a NUL or a lone surrogate"),
        ("a\ud800b", "a NUL or a lone surrogate"),
    ],
)
def test_a_prefix_that_cannot_be_sent_is_refused(setting: str, value: str, problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Tokens.model_validate({setting: value})
    (found,) = caught.value.errors()
    assert found["loc"] == (setting,)
    assert problem in found["msg"]


@pytest.mark.parametrize("values", [{"recount": -1}, {"on_too_long": "drop"}, {"prefixes": "a"}])
def test_other_values_and_keys_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Tokens.model_validate(values)
