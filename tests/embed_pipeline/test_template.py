"""Templates of texts."""

import pytest

from embed_pipeline import template
from embed_pipeline.errors import MissingField, WrongType


def test_fields_and_literals_make_a_text() -> None:
    parsed = template.parse("{title}\n\n{{{body}}} {title}")
    assert parsed.fields == ("title", "body")
    assert parsed.render({"title": "T", "body": "B", "other": 1}) == "T\n\n{B} T"


def test_numbers_are_written_as_json_writes_them() -> None:
    assert template.parse("{year} {score}").render({"year": 1999, "score": 0.5}) == "1999 0.5"


@pytest.mark.parametrize(
    "text", ["{", "}", "{}", "{a", "{a:>5}", "{a!r}", "no field but {{braces}}"]
)
def test_a_malformed_template_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (of several causes)
        template.parse(text)


def test_a_dot_is_part_of_a_name() -> None:
    assert template.parse("{a.b}").render({"a.b": "x"}) == "x"


@pytest.mark.parametrize(("values", "why"), [({}, "missing"), ({"a": None}, "null")])
def test_a_missing_field_is_named(values: dict[str, None], why: str) -> None:
    with pytest.raises(MissingField, match=f"'a' .* {why}"):
        template.parse("{a}").render(values)


@pytest.mark.parametrize("value", [True, [1], {"b": 1}])
def test_a_value_that_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(WrongType, match="'a'"):
        template.parse("{a}").render({"a": value})
