"""Read a request's body as the contract's decoder does (contract, section 1).

Keys match whatever their letter case, the last of several wins, unknown keys and whatever follows
the first JSON value are ignored, null leaves a field as it is, invalid UTF-8 and lone surrogates
become U+FFFD. The content type is not looked at.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from embed_pipeline.embedded.durations import parse_keep_alive
from embed_pipeline.embedded.faults import ContractError

Kind = Literal["string", "bool", "int", "map[string]interface {}", "any", "keep_alive"]
Fields = Mapping[str, Kind]

WHITE_SPACE = " \t\r\n"
SURROGATE = re.compile("[\ud800-\udfff]")
LONGEST_INTEGER = 309  # digits of the largest float64
# What Python's decoder says, and what the contract's says instead, after "invalid character 'x' ".
EXPECTATIONS = {
    "Expecting property name enclosed in double quotes": (
        "looking for beginning of object key string"
    ),
    "Expecting ':' delimiter": "after object key",
    "Expecting ',' delimiter": "after object key:value pair or array element",
    "Invalid control character at": "in string literal",
    "Invalid \\escape": "in string escape code",
    "Invalid \\uXXXX escape": "in \\u hexadecimal character escape",
}


class Members(list[tuple[str, Any]]):
    """Hold a JSON object's members in their order, repeated keys included."""


class Decimal(float):
    """Hold a JSON number that was written with a point or an exponent."""

    literal: str


def parse_fields(body: bytes, struct: str, fields: Fields) -> dict[str, Any]:
    """Return the fields a body sets, checked for their types.

    Args:
        body: The request's body.
        struct: The name the contract's messages give to this request, as in "api.EmbedRequest".
        fields: The type of each field.

    Returns:
        The given fields by name. A keep_alive is in seconds; objects are dicts, with Members
        inside.

    Raises:
        ContractError: 400, no JSON object or a field of the wrong type; 400 too for no body.
    """
    members = parse_json(body)
    if members is None:
        return {}
    if not isinstance(members, Members):
        raise ContractError(
            400, f"json: cannot unmarshal {_described(members)} into Go value of type {struct}"
        )
    names = {name.casefold(): name for name in fields}
    found: dict[str, Any] = {}
    for key, value in members:
        name = names.get(key.casefold())
        if name is None:
            continue
        kind = fields[name]
        if value is None:
            if kind not in ("string", "int"):  # these have no null of their own
                found.pop(name, None)
            continue
        where = f"{struct.rpartition('.')[2]}.{name}"
        found[name] = _checked(value, kind, where, found.get(name))
    return found


def parse_json(body: bytes) -> Any:
    """Return the first JSON value of a body: Members, list, str, bool, int, Decimal or None.

    Raises:
        ContractError: 400, there is none.
    """
    text = body.decode("utf-8", "replace").lstrip(WHITE_SPACE)
    if not text:
        raise ContractError(400, "missing request body")
    try:
        return DECODER.raw_decode(text)[0]
    except json.JSONDecodeError as error:
        raise ContractError(400, _worded(error, text)) from None
    except RecursionError:
        raise ContractError(400, "exceeded max depth") from None


def clean(text: str) -> str:
    """Replace lone surrogates, which no encoding can carry, by U+FFFD."""
    return text if text.isascii() else SURROGATE.sub("\ufffd", text)


def _members(pairs: list[tuple[str, Any]]) -> Members:
    return Members(pairs)


def _integer(literal: str) -> int:
    if len(literal) > LONGEST_INTEGER:
        _too_large(literal)
    return int(literal)


def _decimal(literal: str) -> Decimal:
    value = Decimal(literal)
    if value in (float("inf"), float("-inf")):
        _too_large(literal)
    value.literal = literal
    return value


def _too_large(literal: str) -> None:
    raise ContractError(
        400, f"json: cannot unmarshal number {literal[:40]} into Go value of type float64"
    )


def _constant(name: str) -> None:
    raise ContractError(
        400, f"invalid character {name.lstrip('-')[0]!r} looking for beginning of value"
    )


DECODER = json.JSONDecoder(
    object_pairs_hook=_members,
    parse_int=_integer,
    parse_float=_decimal,
    parse_constant=_constant,
)


def _worded(error: json.JSONDecodeError, text: str) -> str:
    rest = text[error.pos :].rstrip(WHITE_SPACE)
    cut_word = error.msg == "Expecting value" and any(
        word.startswith(rest) for word in ("true", "false", "null", "-")
    )
    if not rest or cut_word or error.msg.startswith("Unterminated string"):
        return "unexpected EOF"
    # The contract's decoder sees bytes: it names the first one of a character.
    character = chr(rest[0].encode("utf-8", "replace")[0])
    expectation = EXPECTATIONS.get(error.msg, "looking for beginning of value")
    return f"invalid character {character!r} {expectation}"


def _described(value: object) -> str:
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "object" if isinstance(value, Members) else "array"


def _checked(value: Any, kind: Kind, where: str, earlier: Any) -> Any:
    if kind == "keep_alive":
        try:
            return parse_keep_alive(dict(value) if isinstance(value, Members) else value)
        except (TypeError, ValueError) as error:
            raise ContractError(400, str(error)) from None
    if kind == "any" or (kind == "bool" and isinstance(value, bool)):
        return value
    if kind == "string" and isinstance(value, str):
        return clean(value)
    if kind == "map[string]interface {}" and isinstance(value, Members):
        return {**(earlier or {}), **dict(value)}
    if kind == "int" and _fits_integer(value):
        return value
    described = _described(value)
    if kind == "int" and described == "number":
        described = f"number {value.literal if isinstance(value, Decimal) else value}"
    raise ContractError(
        400, f"json: cannot unmarshal {described} into Go struct field {where} of type {kind}"
    )


def _fits_integer(value: Any) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63
