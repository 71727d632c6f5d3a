"""The forms of an endpoint's settings; tests of the JSON Schema hold them against the loader."""

import pytest
from jsonschema import Draft202012Validator

from embed_pipeline import forms


@pytest.mark.parametrize("value", [-1, 0, 2.5, "0", "30m", "1h30m", "-1s", ".5ms", "1.µs", "1μs"])
def test_how_long_a_model_stays(value: object) -> None:
    assert Draft202012Validator(forms.KEEP_ALIVE).is_valid(value)


@pytest.mark.parametrize("value", ["", "1", "-1", "30", "1d", "30 m", "m", "+1s", "--1s", None])
def test_how_long_a_model_cannot_stay(value: object) -> None:
    assert not Draft202012Validator(forms.KEEP_ALIVE).is_valid(value)


@pytest.mark.parametrize(
    "value", ["auto", "http://h", "HTTPS://u:p@h:1/x", ["http://a", "http://b"]]
)
def test_where_an_endpoint_can_be(value: object) -> None:
    assert Draft202012Validator(forms.addresses(["auto"])).is_valid(value)


@pytest.mark.parametrize("value", ["automatic", "h:1", "http://h?q", "http://h#f", [], ["auto"]])
def test_where_no_endpoint_can_be(value: object) -> None:
    assert not Draft202012Validator(forms.addresses(["auto"])).is_valid(value)


def test_a_header_is_printable_ascii_without_white_space_around_it() -> None:
    valid = Draft202012Validator(forms.HEADERS).is_valid
    assert valid({"X-Key": "a b~", "Y": ""})
    assert not any(
        map(valid, [{"X Key": "a"}, {"X": " a"}, {"X": "a "}, {"X": "ä"}, {"X": "a\nb"}])
    )


def test_of_a_groups_keys_one_is_given() -> None:
    schema: dict[str, object] = {"properties": {"a": {}, "b": {}}}
    forms.exactly_one(schema)
    valid = Draft202012Validator(schema).is_valid
    assert valid({"a": "x"})
    assert valid({"a": "x", "b": None})
    assert not any(map(valid, [{}, {"a": None}, {"a": "x", "b": "y"}]))
