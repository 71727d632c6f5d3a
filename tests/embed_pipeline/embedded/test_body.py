"""A request's body, read as the contract's decoder reads it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_pipeline.embedded.body import (
    Decimal,
    Fields,
    Members,
    clean,
    parse_fields,
    parse_json,
)
from embed_pipeline.embedded.faults import ContractError

FIELDS: Fields = {
    "name": "string",
    "on": "bool",
    "count": "int",
    "options": "map[string]interface {}",
    "anything": "any",
    "stay": "keep_alive",
}
UNICODE = st.text(st.characters())  # lone surrogates too


def fields(body: bytes) -> dict[str, Any]:
    return parse_fields(body, "api.Request", FIELDS)


def refusal(body: bytes) -> tuple[int, str]:
    with pytest.raises(ContractError) as caught:
        fields(body)
    return caught.value.status, caught.value.message


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'"a"', "a"),
        (b" \r\n\t[1, true, null] and more", [1, True, None]),
        (b"12}", 12),
        (b"null", None),
        (b'"\xff"', "�"),
        (rb'"\ud83d\ude00"', "😀"),
        (b"-" + b"9" * 308, -int("9" * 308)),
    ],
)
def test_the_first_json_value_is_read(body: bytes, value: object) -> None:
    assert parse_json(body) == value


def test_objects_keep_all_members_in_their_order() -> None:
    found = parse_json(b'{"b":1,"a":{"x":[]},"b":2}')
    assert isinstance(found, Members)
    assert found == [("b", 1), ("a", [("x", [])]), ("b", 2)]
    assert isinstance(found[1][1], Members)
    assert not isinstance(found[1][1][0][1], Members)


def test_a_decimal_keeps_what_was_written() -> None:
    found = parse_json(b"1.50e1")
    assert isinstance(found, Decimal)
    assert (found, found.literal) == (15.0, "1.50e1")


@given(UNICODE)
def test_every_string_is_read_as_it_was_written(text: str) -> None:
    assert parse_json(json.dumps(text).encode()) == text


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "missing request body"),
        (b"\n ", "missing request body"),
        (b"{", "unexpected EOF"),
        (b'{"a"', "unexpected EOF"),
        (b"[1,", "unexpected EOF"),
        (b"fal", "unexpected EOF"),
        (b"-", "unexpected EOF"),
        (b"falsy", "invalid character 'f' looking for beginning of value"),
        (b"[1 2]", "invalid character '2' after object key:value pair or array element"),
        (rb'"\x"', r"invalid character '\\' in string escape code"),
        (b"Infinity", "invalid character 'I' looking for beginning of value"),
        ("é".encode(), "invalid character 'Ã' looking for beginning of value"),
        (b"1e999", "json: cannot unmarshal number 1e999 into Go value of type float64"),
        (
            b"1" * 400,
            f"json: cannot unmarshal number {'1' * 40} into Go value of type float64",
        ),
        (b'{"a":' * 100_000, "exceeded max depth"),
    ],
)
def test_what_is_no_json_is_400_in_the_contracts_words(body: bytes, message: str) -> None:
    with pytest.raises(ContractError) as caught:
        parse_json(body)
    assert (caught.value.status, caught.value.message) == (400, message)


def test_fields_have_their_types() -> None:
    body = b'{"name":"n","on":false,"count":-3,"options":{"a":[1]},"anything":{"b":{}},"stay":"1m"}'
    assert fields(body) == {
        "name": "n",
        "on": False,
        "count": -3,
        "options": {"a": [1]},
        "anything": [("b", [])],
        "stay": 60.0,
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"null", {}),
        (b"{}", {}),
        (b'{"unknown":{"name":1}}', {}),
        (b'{"NAME":"a"}', {"name": "a"}),
        (b'{"name":"a","Name":"b"}', {"name": "b"}),
        (b'{"name":null}', {}),
        (b'{"name":"a","name":null}', {"name": "a"}),
        (b'{"count":1,"count":null}', {"count": 1}),
        (b'{"on":true,"on":null}', {}),
        (b'{"stay":5,"stay":null}', {}),
        (b'{"options":{"a":1,"b":1},"options":{"b":2}}', {"options": {"a": 1, "b": 2}}),
        (b'{"options":{"a":1},"options":null,"options":{"b":2}}', {"options": {"b": 2}}),
        (b'{"count":9223372036854775807}', {"count": 2**63 - 1}),
        (b'{"count":-9223372036854775808}', {"count": -(2**63)}),
        (rb'{"name":"a\ud800"}', {"name": "a�"}),
    ],
)
def test_bodies_are_read_leniently(body: bytes, expected: dict[str, Any]) -> None:
    assert fields(body) == expected


@pytest.mark.parametrize(
    ("body", "found", "field", "kind"),
    [
        (b'{"name":1}', "number", "name", "string"),
        (b'{"name":{}}', "object", "name", "string"),
        (b'{"NAME":[]}', "array", "name", "string"),
        (b'{"on":"true"}', "string", "on", "bool"),
        (b'{"on":1}', "number", "on", "bool"),
        (b'{"count":true}', "bool", "count", "int"),
        (b'{"count":1.0}', "number 1.0", "count", "int"),
        (b'{"count":9223372036854775808}', "number 9223372036854775808", "count", "int"),
        (b'{"options":[]}', "array", "options", "map[string]interface {}"),
        (b'{"options":0.5}', "number", "options", "map[string]interface {}"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(body: bytes, found: str, field: str, kind: str) -> None:
    message = f"json: cannot unmarshal {found} into Go struct field Request.{field} of type {kind}"
    assert refusal(body) == (400, message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[]", "json: cannot unmarshal array into Go value of type api.Request"),
        (b"true", "json: cannot unmarshal bool into Go value of type api.Request"),
        (b'{"stay":"x"}', 'time: invalid duration "x"'),
        (b'{"stay":{"a":1}}', "Unsupported type: 'map[string]interface {}'"),
    ],
)
def test_other_refusals(body: bytes, message: str) -> None:
    assert refusal(body) == (400, message)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [("plain", "plain"), ("é 😀", "é 😀"), ("a\ud800b\udfffc", "a�b�c")],
)
def test_lone_surrogates_become_the_replacement_character(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(UNICODE)
def test_a_clean_text_can_be_encoded_and_has_its_length(text: str) -> None:
    assert len(clean(text).encode("utf-32-le")) == 4 * len(text)
